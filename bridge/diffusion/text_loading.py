"""From files and folders to CLIP's text towers."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from transformers import CLIPTokenizer

from bridge import models
from bridge.builtin import model_folder
from bridge.diffusion import folder, networks
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import Place, open_clip_places
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network
from bridge.diffusion.types import TextEncoder, TextTower
from bridge.diffusion.weights import Names
from bridge.errors import UnsupportedModel
from bridge.models import Family, TowerKind

_SHORTENED_LAYERS = 23
"""Diffusers' folders of Stable Diffusion 2, and files made of them, lack the last of ViT-H/14's 24 layers."""


def load_text_encoder(paths: Sequence[Path], names: Sequence[str], *, on_cpu: bool = False) -> TextEncoder:
    """Open text towers that are kept apart from a checkpoint, each a file or a diffusers folder.

    One tower makes the text encoder of the family it alone belongs to; ViT-L/14 and ViT-bigG/14 together,
    in any order, make SDXL's.

    Args:
        paths: One or two.
        names: What the user calls them.
        on_cpu: Whether they are to run there, whatever the device is.

    Raises:
        ModelError: If one is damaged, unsafe, or no text encoder.
        UnsupportedModel: If no supported family has these towers.
    """
    towers = [_tower_of_its_own(path, name, on_cpu) for path, name in zip(paths, names, strict=True)]
    towers.sort(key=lambda tower: get_args(TowerKind).index(tower.kind))
    families: dict[tuple[TowerKind, ...], Family] = {
        ("clip_l",): Family.SD1,
        ("clip_h",): Family.SD2,
        ("clip_g",): Family.SDXL_REFINER,
        ("clip_l", "clip_g"): Family.SDXL,
    }
    kinds = tuple(tower.kind for tower in towers)
    if kinds not in families:
        raise UnsupportedModel(
            f"no supported family has the text encoders {' and '.join(kinds)}",
            hint="SDXL has clip_l (ViT-L/14) and clip_g (ViT-bigG/14).",
        )
    return TextEncoder(tuple(towers), families[kinds])


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
    config = {**folder.read_text_config(path), "projection_dim": part.layout.projection}
    names = _tower_names(part.prefix, header, part.layout.is_open_clip)
    network = _tower_network(label, config, file, names, on_cpu)
    return TextTower(network, clip_tokenizer(), kind, is_shortened=kind == "clip_h")


def _tower_names(prefix: str, header: models.Header, is_open_clip: bool) -> Names:
    def places(name: str) -> list[Place]:
        if is_open_clip:
            return [
                Place(prefix + place.name, place.third, place.is_transposed)
                for place in open_clip_places(name)
            ]
        bare = name.removeprefix("text_model.")
        # The projection belongs to the whole model, whose tower may be a part of it.
        return [Place(prefix + bare), Place(prefix.removesuffix("text_model.") + bare)]

    return places


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
    return CLIPTokenizer.from_pretrained(model_folder() / "tokenizer", local_files_only=True)
