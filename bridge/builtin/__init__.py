"""What comes with the program: a demo model, presets, and a captured frame to try them on."""

import json
import lzma
from pathlib import Path

from bridge.builtin.control import Control
from bridge.builtin.example import Example, examples, place_example_picture
from bridge.builtin.library import all_presets, expand_preset, load_preset, remove_preset, save_preset
from bridge.builtin.making import PLANES, Draft, Offer, Shown, chosen, make_preset, name_of, offer_of
from bridge.builtin.preset import Picture, Preset, expand, save_pictures_too
from bridge.builtin.unit import Unit

__all__ = [
    "PLANES",
    "Control",
    "Draft",
    "Example",
    "Offer",
    "Picture",
    "Preset",
    "Shown",
    "Unit",
    "absent_nodes",
    "all_presets",
    "chosen",
    "demo_frame_file",
    "examples",
    "expand",
    "expand_preset",
    "load_preset",
    "make_preset",
    "model_folder",
    "model_words",
    "name_of",
    "offer_of",
    "place_example_picture",
    "remove_preset",
    "save_pictures_too",
    "save_preset",
    "t5_tokenizer",
]

_HERE = Path(__file__).parent


def absent_nodes() -> dict[str, dict[str, list[str]]]:
    """Return nodes for the families we know that are missing here: their pack, why, and their classes."""
    found: dict[str, dict[str, list[str]]] = json.loads(
        (_HERE / "absent_nodes.json").read_text(encoding="utf-8")
    )
    return found


def model_folder() -> Path:
    """Return the demo model: Stable Diffusion 1.x in diffusers' folders, with two ControlNets."""
    return _HERE / "demo-sd"


def model_words() -> dict[str, dict[str, list[str]]]:
    """Return what the demo model was taught: kind (``styles``, ``colours`` …), word, and its synonyms."""
    words: dict[str, dict[str, list[str]]] = json.loads((model_folder() / "words.json").read_text("utf-8"))
    return words


def t5_tokenizer() -> bytes:
    """Return T5's tokenizer as the ``tokenizers`` library reads it, JSON."""
    return lzma.decompress((_HERE / "t5-tokenizer" / "tokenizer.json.xz").read_bytes())


def demo_frame_file() -> Path:
    """Return a real Blender capture: colour, depth, normals, object ids and camera, as ``.npz``."""
    return _HERE / "demo_frame.npz"
