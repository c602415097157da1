"""The frames of an animation as files, and what they have in common; alike in every host.

Rules:
1. A frame's file is written whole, when its picture is there. One that is there and sound is not made again.
2. The folder's ``shot.json`` says what its frames are made with, the frozen depth range included, and each
   frame says which shot it is of. Frames of another shot are not mixed in.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import BridgeError
from .png import read_texts
from .preset import FROM_SHOT, Preset
from .recipe import SEED, Recipe, recipe_from_json

SHOT_FILE = "shot.json"

AHEAD = 2
"""Frames under way at once."""

SAMPLES = 7
"""Frames that are looked at to find the depth range of a shot."""

SAMPLE_SIDE = 192
"""Pixels of their longer side."""

_SHOT_TEXT = "framebridge shot"
_NAME = re.compile(r"frame_(\d{4,}|-\d{3,})\.png")


@dataclass(frozen=True)
class Shot:
    """What all frames of a folder have in common.

    Args:
        name: Unique.
        recipe: Of the first frame, with the depth range in it if one is frozen.
        width: Pixels.
        height: Pixels.
        is_steady: Whether a depth range is, or is to be, frozen.
    """

    name: str
    recipe: Recipe
    width: int
    height: int
    is_steady: bool

    @property
    def has_range(self) -> bool:
        """Whether the depth range has been found."""
        return all(name in self.recipe.values for name in FROM_SHOT)

    @property
    def text(self) -> dict[str, str]:
        """The PNG text that says which shot a frame is of."""
        return {_SHOT_TEXT: self.name}

    def with_range(self, ranges: Sequence[tuple[float, float]]) -> Shot:
        """Return it with the depth range that holds those of its samples.

        Args:
            ranges: Near and far, metres; at least one.
        """
        near, far = min(near for near, _ in ranges), max(far for _, far in ranges)
        values = {"depth_near": round(near, 6), "depth_far": round(max(far, near * 1.001), 6)}
        return replace(self, recipe=self.recipe.with_values(**values))

    def fixed(self, recipe: Recipe) -> Recipe:
        """Return a frame's recipe with what all frames share: depth range and seed."""
        known = self.recipe.values
        return recipe.with_values(**{name: known[name] for name in (*FROM_SHOT, SEED) if name in known})

    def to_json(self) -> str:
        """Return it as text."""
        about = {"name": self.name, "width": self.width, "height": self.height, "is_steady": self.is_steady}
        return json.dumps({**about, "recipe": json.loads(self.recipe.to_json())}, indent=1)


def planned_shot(
    folder: Path,
    recipe: Recipe,
    preset: Preset,
    size: tuple[int, int],
    *,
    wants_steady: bool,
    starts_over: bool,
) -> Shot:
    """Return the shot that a folder goes on with, or a new one.

    Args:
        folder: Of the frames.
        recipe: Of the first frame, of that size.
        preset: Of the recipe.
        size: Width and height, pixels.
        wants_steady: Whether the depth range is to be frozen, where the preset can.
        starts_over: Whether whatever the folder holds is made anew.

    Raises:
        BridgeError: ``shot_differs`` if the folder's frames were made with other settings, or by others;
            ``bad_shot``.
    """
    if not (folder / SHOT_FILE).exists() and others_in(folder):
        raise differs(folder, "holds frames that Framebridge did not make", "Choose another folder.")
    is_steady = wants_steady and all(preset.find(name) for name in FROM_SHOT)
    shot = Shot(secrets.token_hex(8), recipe, *size, is_steady)
    known = None if starts_over else read_shot(folder)
    if known is not None and _comparable(known) != _comparable(shot):
        raise differs(folder, "holds frames that were made with other settings")
    return known or shot


def read_shot(folder: Path) -> Shot | None:
    """Return the shot of a folder, if it has one.

    Raises:
        BridgeError: ``bad_shot``.
    """
    try:
        data = json.loads((folder / SHOT_FILE).read_text("utf-8"))
        recipe = recipe_from_json(json.dumps(data["recipe"]))
        ranges = [recipe.values[name] for name in FROM_SHOT if name in recipe.values]
        if not all(isinstance(value, float | int) and math.isfinite(value) and value > 0 for value in ranges):
            raise ValueError("its depth range is none")
        size = int(data["width"]), int(data["height"])
        return Shot(str(data["name"]), recipe, *size, bool(data["is_steady"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError, BridgeError) as error:
        raise BridgeError(
            f"{folder / SHOT_FILE} cannot be read: {error}",
            code="bad_shot",
            hint="Start over, or choose another folder.",
        ) from error


def sampled(frames: range) -> list[int]:
    """Return the frames to look at for the depth range: first, last, and some between."""
    step = max(1, (len(frames) - 1) // (SAMPLES - 1))
    return [*frames[::step][:SAMPLES], frames[-1]]


def frame_file(folder: Path, frame: int) -> Path:
    """Return the file of a frame."""
    return folder / f"frame_{frame:04}.png"


def is_frame_of(folder: Path, frame: int, shot: str) -> bool:
    """Tell whether a frame of this shot is there and sound."""
    return read_texts(frame_file(folder, frame)).get(_SHOT_TEXT) == shot


def frames_in(folder: Path) -> list[int]:
    """Return the numbers of the frames in a folder, in order.

    Raises:
        BridgeError: ``no_frames``.
    """
    try:
        found = [_NAME.fullmatch(file.name) for file in folder.iterdir()]
    except OSError:
        found = []
    numbers = sorted(int(match[1]) for match in found if match)
    if not numbers:
        raise BridgeError(f"{folder} holds no frames", code="no_frames", hint="Render the animation first.")
    return numbers


def others_in(folder: Path) -> list[Path]:
    """Return the files of a folder that have the names of frames and are none of any shot of ours."""
    try:
        files = [frame_file(folder, number) for number in frames_in(folder)]
    except BridgeError:
        return []
    return [file for file in files if _SHOT_TEXT not in read_texts(file)]


def differs(
    folder: Path, what: str, hint: str = "Choose another folder, or start over to make them all anew."
) -> BridgeError:
    """Return the error for a folder whose frames are others."""
    return BridgeError(f"{folder} {what}", code="shot_differs", hint=hint)


def _comparable(shot: Shot) -> Shot:
    """Return it without its name and the depth range that was found."""
    values = {name: value for name, value in shot.recipe.values.items() if name not in FROM_SHOT}
    return replace(shot, name="", recipe=replace(shot.recipe, values=values))
