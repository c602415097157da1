"""Dynamic prompts, many prompts, negative presets and the history, with a real daemon, without a window."""

import json
import os
import struct
from pathlib import Path

import artist
import bpy
import framebridge
from artist import scene, told, values
from framebridge import controls, display, prompts
from framebridge._bridge.host.png import read_texts
from framebridge.model_words import known
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
FOLDER = Path(REQUEST["folder"])
HOME = Path(os.environ["FRAMEBRIDGE_HOME"])


def dynamic() -> dict:
    """A prompt with choices and a wildcard: what is drawn, kept, shown, saved and used again."""
    prepare()
    (HOME / "wildcards").mkdir(exist_ok=True)
    (HOME / "wildcards" / "hour.txt").write_text("night\nsunset\n")
    values().p_prompt = "{clay|toon} __hour__"
    OPS.generate()
    image = display.looked_at(scene())
    recipe = display.recipe_of(image)
    shown = prompts.drawn_text(scene().framebridge, controls.preset_of(scene().framebridge), scene())
    OPS.save_result(filepath=str(FOLDER / "drawn.png"))
    OPS.generate()
    again = display.prompt_of(display.looked_at(scene()))
    OPS.use_again()
    found = {
        "text": recipe.values["prompt"],
        "shown": shown,
        "same_again": again == recipe.values["prompt"],
        "templates": dict(recipe.templates),
        "saved": json.loads(read_texts(FOLDER / "drawn.png")["framebridge"])["templates"],
        "used_again": values().p_prompt,
    }
    values().p_prompt = "{clay|toon} __hour__"
    scene().framebridge.is_dynamic = False
    OPS.generate()
    typed = display.looked_at(scene())
    scene().framebridge.is_dynamic = True
    OPS.use_again(image=typed.name)
    OPS.generate()
    used_again = display.prompt_of(display.looked_at(scene()))
    scene().framebridge.is_dynamic = True
    return found | {"as_typed": display.prompt_of(typed), "as_typed_again": used_again}


def batch() -> dict:
    """One picture a line of a text and of a file, in their order; what fails is told, the others are made."""
    prepare()
    text = bpy.data.texts.new("Prompts")
    text.write("# mine\nneon\n\n{clay|clay}, night\n__hoor__\nsnow\n")
    scene().framebridge.batch_text = text
    try:
        OPS.generate_prompts()
        said = ""
    except RuntimeError as error:
        said = str(error)
    made = [display.prompt_of(image) for image in reversed(display.results())]
    OPS.delete_result()
    file = FOLDER / "prompts.txt"
    file.write_text("\ufefflava\nwood\n", encoding="utf-8")
    scene().framebridge.batch_from, scene().framebridge.batch_file = "FILE", str(file)
    scene().framebridge.seed_mode = "INCREMENT"
    values().p_seed = 3
    OPS.generate_prompts()
    newest = display.results()[:2]
    return {
        "said": said,
        "made": made,
        "from_file": [display.prompt_of(image) for image in reversed(newest)],
        "seeds": [display.recipe_of(image).values["seed"] for image in reversed(newest)],
        "panel_prompt": values().p_prompt,
        "notice": studio().notice,
    }


def refusals() -> dict:
    """What is no list of prompts, and what is said of it."""
    prepare()
    settings = scene().framebridge
    files = {"empty": b"\n# x\n", "binary": b"\x89PNG\r\n\x1a\n\0", "none": None}
    found = {}
    settings.batch_from = "FILE"
    for name, data in files.items():
        file = FOLDER / f"{name}.txt"
        if data is not None:
            file.write_bytes(data)
        settings.batch_file = str(file)
        found[name] = told(OPS.generate_prompts)
    with open(FOLDER / "large.txt", "wb") as file:
        file.truncate(100 * 1024 * 1024)
    settings.batch_file = str(FOLDER / "large.txt")
    found["100 MB"] = told(OPS.generate_prompts)
    settings.batch_file = ""
    found["no file"] = told(OPS.generate_prompts)
    settings.batch_from = "TEXT"
    found["no text"] = told(OPS.generate_prompts)
    values().p_prompt = "{clay|toon"
    found["no partner"] = told(OPS.generate)
    values().p_prompt = "__huor__"
    found["unknown wildcard"] = told(OPS.generate)
    return found


def history() -> dict:
    """The last prompts are those that were asked for, as typed, and outlive the file."""
    prompts.book.forget_prompts()
    for prompt in ("neon", "{clay|toon}", "neon"):
        prepare()
        values().p_prompt = prompt
        OPS.generate()
    kept = prompts.book.prompts
    OPS.use_prompt(prompt=kept[1])
    put_back = values().p_prompt
    OPS.clear_prompts()
    return {"kept": kept, "put_back": put_back, "cleared": prompts.book.prompts}


def negatives() -> dict:
    """Those of the daemon are there, and the artist's own."""
    prepare()
    OPS.generate()
    studio().wait(lambda: studio().negatives.found)
    titles = [(entry.family, entry.title) for entry in studio().negatives.found]
    chosen = studio().negatives.found[0]
    OPS.use_negative(text=chosen.text, about=chosen.help)
    is_set = values().p_negative_prompt == chosen.text
    values().p_negative_prompt = "grey, dull"
    OPS.save_negative(title="Mine")
    own = prompts.book.negatives
    nameless = told(OPS.save_negative)
    OPS.delete_negative(title="Mine")
    return {
        "titles": titles,
        "is_set": is_set,
        "own": own,
        "nameless": nameless,
        "left": prompts.book.negatives,
    }


def words() -> dict:
    """What calls a model of the artist's own is offered with the preset's words."""
    header = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    folder = HOME / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    (folder / "own.json").write_text(json.dumps({"activation text": "inkwash, brush"}))
    OPS.disconnect()
    prepare()
    OPS.choose_preset(preset="stylize-sd15")
    values().p_checkpoint = "own.safetensors"
    preset = controls.preset_of(scene().framebridge)
    wanted = controls.models_of(values(), preset)
    known.want(studio().link.session, wanted)
    studio().wait(lambda: known.words(wanted))
    return {"models": wanted, "words": controls.words_of(values(), preset)}


def prepare() -> None:
    artist.prepare()
    OPS.connect()


framebridge.register()
report(dynamic, batch, refusals, history, negatives, words)
