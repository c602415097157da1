"""From files and folders to text towers: CLIP's, and T5's encoder."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from bridge import models
from bridge.builtin import model_folder
from bridge.diffusion import folder, networks
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import Place, open_clip_places
from bridge.diffusion.libraries import transformers
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network
from bridge.diffusion.t5 import empty_t5, t5_config, t5_tokenizer
from bridge.diffusion.types import TextEncoder, TextTower
from bridge.diffusion.weights import Names
from bridge.errors import UnsupportedModel
from bridge.models import Family, T5Layout, TowerKind

_SHORTENED_LAYERS = 23
"""Diffusers' folders of Stable Diffusion 2, and files made of them, lack the last of ViT-H/14's 24 layers."""


TEXT_ENCODER_TYPES = "stable_diffusion", "sdxl", "sd3", "flux", "pixart"
"""What text encoders may be for, in ComfyUI's names."""

_SD3_TOWERS: tuple[TowerKind, ...] = ("clip_l", "clip_g", "t5xxl")
_FAMILIES: Mapping[str, Mapping[tuple[TowerKind, ...], Family]] = {
    "stable_diffusion": {
        ("clip_l",): Family.SD1,
        ("clip_h",): Family.SD2,
        ("clip_g",): Family.SDXL_REFINER,
    },
    "sdxl": {("clip_l", "clip_g"): Family.SDXL},
    "sd3": {
        towers: Family.SD3 for count in (1, 2, 3) for towers in itertools.combinations(_SD3_TOWERS, count)
    },
    "flux": {("clip_l", "t5xxl"): Family.FLUX},
    "pixart": {("t5xxl",): Family.PIXART_ALPHA},
}
"""Use → the towers that make a text encoder → the family it then belongs to; PixArt Sigma reads as Alpha."""

_TAKES = {
    "stable_diffusion": "clip_l, clip_h or clip_g",
    "sdxl": "clip_l and clip_g",
    "sd3": "any of clip_l, clip_g and t5xxl, each once",
    "flux": "clip_l and t5xxl",
    "pixart": "t5xxl",
}
"""The same in words."""

_USUAL_FILES: Mapping[TowerKind, str] = {
    "clip_l": "clip_l.safetensors",
    "clip_g": "clip_g.safetensors",
    "t5xxl": "t5xxl_fp16.safetensors",
}
_ORDER: tuple[TowerKind, ...] = get_args(TowerKind)


def load_text_encoder(
    paths: Sequence[Path], names: Sequence[str], type: str, *, on_cpu: bool = False
) -> TextEncoder:
    """Open text towers that are kept apart from a checkpoint, each a file or a folder, in any order.

    Args:
        paths: One to three.
        names: What the user calls them.
        type: What they are for, one of ``TEXT_ENCODER_TYPES``.
        on_cpu: Whether they are to run there, whatever the device is.

    Raises:
        ModelError: If one is damaged, unsafe, or no text encoder.
        UnsupportedModel: If these towers are not what the type has.
    """
    towers = [_tower_of_its_own(path, name, on_cpu) for path, name in zip(paths, names, strict=True)]
    kinds = [tower.kind for tower in towers]
    towers.sort(key=lambda tower: _ORDER.index(tower.kind))
    family = _FAMILIES[type].get(tuple(tower.kind for tower in towers))
    if family is None:
        raise _misfit(names, kinds, type)
    return TextEncoder(tuple(towers), family)


def _misfit(names: Sequence[str], kinds: Sequence[TowerKind], type: str) -> UnsupportedModel:
    """Say what files are, what the type takes and lacks, and which type would take them."""
    given = " and ".join(f'"{name}" is {kind}' for name, kind in zip(names, kinds, strict=True))
    message = f'{given}; text encoders of type "{type}" are {_TAKES[type]}'
    hint = "Choose other files."
    wanted = _FAMILIES[type].keys()
    if missing := [
        kind for kind in _USUAL_FILES if kind not in kinds and all(kind in each for each in wanted)
    ]:
        message += f": {' and '.join(missing)} is missing"
        hint = f"Choose {' and '.join(_USUAL_FILES[kind] for kind in missing)} or the like."
    ordered = tuple(sorted(kinds, key=_ORDER.index))
    if types := [f'"{each}"' for each, families in _FAMILIES.items() if ordered in families]:
        hint = f"Choose the type {' or '.join(types)}, or other files."
    return UnsupportedModel(message, hint=hint)


def _tower_of_its_own(path: Path, name: str, on_cpu: bool) -> TextTower:
    label = f'text encoder "{name}"'
    file = models.weights_file(path, "model") if path.is_dir() else path
    header = models.read_header(file)
    part = models.text_tower(header, file.name)
    if path.is_dir():
        return tower_in_folder(path, part.kind, label, on_cpu)
    return tower_in_file(path, header, part, label, on_cpu)


def tower_in_file(
    path: Path, header: models.Header, part: models.TextPart, label: str, on_cpu: bool = False
) -> TextTower:
    """Open a text tower that a file holds, alone or in a checkpoint.

    Args:
        path: The file.
        header: Its header.
        part: Where in it the tower lies.
        label: What it is called in messages.
        on_cpu: Whether it is to run there, whatever the device is.

    Raises:
        ModelError: If the file does not hold what the tower needs.
    """
    if isinstance(part.layout, T5Layout):
        return _t5_tower(path, part.layout, part.prefix, label, on_cpu)
    config = networks.text_config(part.layout, part.kind)
    names = _tower_names(part.prefix, header, part.layout.is_open_clip)
    network = _tower_network(label, config, path, names, on_cpu)
    is_shortened = part.kind == "clip_h" and part.layout.layers == _SHORTENED_LAYERS
    return TextTower(network, clip_tokenizer(), part.kind, is_shortened)


def tower_in_folder(path: Path, kind: TowerKind, label: str, on_cpu: bool = False) -> TextTower:
    """Open the text tower in a folder in transformers' layout; see ``tower_in_file``.

    Raises:
        ModelError: If it is damaged, unsafe, or no text encoder.
        UnsupportedModel: If its configuration describes something else than CLIP.
    """
    file = models.weights_file(path, "model")
    header = models.read_header(file)
    part = models.text_tower(header, f"{path.parent.name}/{path.name}")
    if isinstance(part.layout, T5Layout):
        return _t5_tower(file, part.layout, part.prefix, label, on_cpu)
    config = {**folder.read_text_config(path), "projection_dim": part.layout.projection}
    names = _tower_names(part.prefix, header, part.layout.is_open_clip)
    network = _tower_network(label, config, file, names, on_cpu)
    return TextTower(network, clip_tokenizer(), kind, is_shortened=kind == "clip_h")


def _tower_names(prefix: str, header: models.Header, is_open_clip: bool) -> Names:
    def places(name: str) -> list[Place]:
        if is_open_clip:
            return [place.under(prefix) for place in open_clip_places(name)]
        bare = name.removeprefix("text_model.")
        # The projection belongs to the whole model, whose tower may be a part of it.
        return [Place(prefix + bare), Place(prefix.removesuffix("text_model.") + bare)]

    return places


def _t5_tower(file: Path, layout: T5Layout, prefix: str, label: str, on_cpu: bool) -> TextTower:
    def places(name: str) -> list[str]:
        embedding = ["encoder.embed_tokens.weight"] if name == "shared.weight" else []
        return [prefix + each for each in (name, *embedding)]

    network: Network[Any] = open_network(
        label,
        functools.partial(empty_t5, t5_config(layout)),
        file,
        places,
        place=Placement.on_cpu if on_cpu else Placement.for_t5,
        rests_as_stored=True,
    )
    return TextTower(network, t5_tokenizer(), "t5xxl")


def _tower_network(
    label: str, config: dict[str, Any], file: Path, names: Names, on_cpu: bool
) -> Network[Any]:
    def with_positions(module: Any) -> Any:
        encoder = getattr(module, "text_model", module)
        positions = config["max_position_embeddings"]
        encoder.embeddings.position_ids = torch.arange(positions, device=module.device)[None]
        return module

    build = functools.partial(networks.empty_text_tower, config)
    place = Placement.on_cpu if on_cpu else Placement.unchanged
    return open_network(label, build, file, names, finish=with_positions, place=place)


@functools.cache
def clip_tokenizer() -> Any:
    """CLIP's tokenizer, which all of Stable Diffusion shares."""
    return transformers.CLIPTokenizer.from_pretrained(model_folder() / "tokenizer", local_files_only=True)
