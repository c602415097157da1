"""What a panel asks for besides a preset's controls: names, help texts and ranges, alike in every host."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        label: For people.
        help: For a tooltip.
        default: Its type is the setting's.
        minimum: Of a number.
        maximum: Likewise.
        choices: Value, label and help of each choice, where it is one.
    """

    label: str
    help: str
    default: str | int | float | bool
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[tuple[str, str, str], ...] = ()


MIN_SIDE, MAX_SIDE = 64, 8192
"""Pixels; a picture wider or higher than the latter is beyond what any image model takes."""

STEP = 8
"""Image models want sides that are multiples of this many pixels."""

SETTINGS = {
    "preset": Setting("Preset", "What is done with the picture", "stylize"),
    "longest_side": Setting(
        "Size",
        "Pixels of the picture's longer side; the other follows from the view. "
        "Half of it takes a quarter of the time",
        512,
        MIN_SIDE,
        MAX_SIDE,
    ),
    "has_own_size": Setting("Own Size", "Choose width and height instead of the longer side", False),
    "width": Setting("Width", "Pixels", 512, MIN_SIDE, MAX_SIDE),
    "height": Setting("Height", "Pixels", 512, MIN_SIDE, MAX_SIDE),
    "seed_mode": Setting(
        "Seed Mode",
        "What happens to the seed at each Generate",
        "FIXED",
        choices=(
            ("FIXED", "Fixed", "Keep it: the same view gives the same picture"),
            ("INCREMENT", "Increment", "Add 1 after each picture"),
            ("RANDOM", "Random", "Draw another one before each picture"),
        ),
    ),
    "margin": Setting(
        "Margin",
        "What is painted on at every side of a result, as a share of its width and height",
        0.25,
        0.05,
        1.0,
    ),
    "is_dynamic": Setting(
        "Dynamic Prompts",
        "Draw from {red|blue} and __animal__ in prompts, with the seed; values of __animal__ stand in a text "
        "file of the daemon's folder for wildcards",
        True,
    ),
    "batch_from": Setting(
        "Prompts From",
        "Where prompts stand, one a line",
        "TEXT",
        choices=(
            ("TEXT", "Text", "A text of this file, as in the Text Editor"),
            ("FILE", "File", "A text file on the disk"),
        ),
    ),
    "grid_values": Setting(
        "Values",
        'Values with commas between them: neon, "clay, red" or 0.3, 0.6, 1; 1..4 counts, '
        "0.2..1:0.4 goes by steps",
        "",
    ),
    "overlay_opacity": Setting("Opacity", "Of the result over the viewport", 1.0, 0.0, 1.0),
    "overlay_split": Setting(
        "Before / After",
        "Where the result begins, from left to right: the scene is seen before it",
        0.0,
        0.0,
        1.0,
    ),
    "frames_folder": Setting("Frames", "Where the frames of an animation are written", ""),
    "freezes_depth": Setting(
        "Steady Depth",
        "Use one depth range for all frames, found by a look through the shot, "
        "so that brightness does not pump",
        True,
    ),
}
"""By name; what only one host has is said there."""

ACTIONS = {
    "connect": ("Connect", "Connect to the daemon; it is started if none runs"),
    "disconnect": ("Disconnect", "Close the connection; the daemon and its jobs go on"),
    "generate": ("Generate", "Capture the view and have it repainted"),
    "cancel": ("Cancel", "Give up what is being made; pictures and frames that are there stay"),
    "live": ("Live", "Repaint this viewport whenever the view, the scene or a control changes"),
    "keep_live": ("Keep", "Keep the picture that Live shows, as a result of its own"),
    "open_workflow": (
        "Open Workflow…",
        "Open a workflow, or a picture that holds one, to make a preset of it",
    ),
    "save_preset": ("Save Preset", "Keep the preset; every program that uses this daemon has it"),
    "discard_preset": ("Discard", "Make no preset of this workflow"),
    "show_maps": ("Preview Maps", "Capture the view and see the control maps that are made of it"),
    "add_object": (
        "Add Object",
        "Give prompts of their own to the selected objects; without any, add an empty line",
    ),
    "remove_object": ("Remove Object", "Take this line out of the list; the object stays"),
    "move_object": ("Move", "Move this line: where two lines are about one pixel, the upper one counts"),
    "show_objects": ("Preview Masks", "See over the viewport which pixels each line is about"),
    "diagnose": (
        "Diagnose",
        "Try every link from the daemon to a picture in this file, and say which one breaks",
    ),
    "free_memory": (
        "Free Graphics Memory",
        "Have the daemon give the graphics memory back; models load again with the next picture",
    ),
    "dismiss": ("Dismiss", "Take this message away"),
    "use_again": (
        "Use These Settings Again",
        "Set preset, prompt, seed and all other controls to what this result was made with",
    ),
    "delete_result": ("Delete Result", "Delete this result; materials and others that use it lose it"),
    "generate_prompts": (
        "Generate All",
        "Capture the view once and make one picture for each prompt; what fails is told at the end",
    ),
    "generate_grid": (
        "Make Grid",
        "Capture the view once, make a picture for each pair of values, and lay them out as one image",
    ),
    "clear_prompts": ("Clear", "Forget the last prompts, in all files; results keep theirs"),
    "save_negative": ("Save as Preset…", "Keep the negative prompt as a preset of your own, for all files"),
    "clear_overlay": ("Hide Result", "Show the viewport without a result over it"),
    "render_animation": (
        "Render Animation",
        "Repaint every frame of the range and write it to the folder; goes on where it was stopped",
    ),
}
"""Label and help of what buttons do."""
