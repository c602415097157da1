"""A preset of one's own, from a workflow that was sent, to a picture."""

import json
from pathlib import Path

import artist
import bpy
import framebridge
from artist import connect, scene, told
from framebridge import controls, display
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
FOLDER = Path(REQUEST["folder"])
WORKFLOW = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
    "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "clay"}},
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
    "4": {"class_type": "LoadImage", "inputs": {"image": "viewport.png"}},
    "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["4", 0], "vae": ["1", 2]}},
    "6": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["1", 0],
            "positive": ["2", 0],
            "negative": ["3", 0],
            "latent_image": ["5", 0],
            "seed": 7,
            "steps": 2,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "simple",
            "denoise": 0.6,
        },
    },
    "7": {"class_type": "VAEDecode", "inputs": {"samples": ["6", 0], "vae": ["1", 2]}},
    "8": {"class_type": "SaveImage", "inputs": {"images": ["7", 0], "filename_prefix": "x"}},
}


def made() -> dict:
    """Open, choose, save, use."""
    prepare()
    opened = list(OPS.open_workflow(filepath=str(write("oil_paint.json", WORKFLOW))))
    draft = bpy.context.window_manager.framebridge_draft
    offered = {entry.place: entry.is_shown for entry in draft.inputs}
    pictures = [(picture.title, picture.plane) for picture in draft.pictures]
    title = draft.title
    for entry in draft.inputs:
        if entry.place == "6.sampler_name":
            entry.is_shown, entry.label = True, "How"
    saved = list(OPS.save_preset())
    studio().wait(lambda: any(preset.name == "oil-paint" for preset in controls.presets()))
    OPS.choose_preset(preset="oil-paint")
    group = controls.values_of(scene().framebridge, controls.preset_of(scene().framebridge))
    group.p_prompt = "neon"
    generated = list(OPS.generate())
    return {
        "opened": opened,
        "offered": offered,
        "pictures": pictures,
        "title": title,
        "saved": saved,
        "labels": [control.label for control in controls.preset_named("oil-paint").controls],
        "generated": generated,
        "trouble": str(studio().trouble),
        "size": list(display.looked_at(scene()).size),
        "prompt": display.prompt_of(display.looked_at(scene())),
    }


def refused() -> dict:
    """What holds no workflow, and what has the title of another."""
    prepare()
    found = {
        "no workflow": told(lambda: OPS.open_workflow(filepath=str(write("bad.json", [1])))),
        "gone": told(lambda: OPS.open_workflow(filepath=str(FOLDER / "gone.json"))),
        "nothing open": told(OPS.save_preset),
    }
    unknown = {"1": {"class_type": "NoSuchNode", "inputs": {}}}
    OPS.open_workflow(filepath=str(write("unknown.json", unknown)))
    found["unknown node"] = studio().trouble.message
    OPS.open_workflow(filepath=str(write("oil_paint.json", WORKFLOW)))
    OPS.save_preset()
    found["again"] = studio().trouble.code
    found["still open"] = studio().new_preset.is_open
    OPS.save_preset(replaces=True)
    found["replaced"] = studio().new_preset.saved
    return found


def write(name: str, data: object) -> Path:
    (FOLDER / name).write_text(json.dumps(data))
    return FOLDER / name


def prepare() -> None:
    artist.prepare()
    connect()


framebridge.register()
report(made, refused)
