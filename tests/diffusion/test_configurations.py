"""docs/configurations.md has a row, with its source, for every field of every configuration."""

import ast
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    FluxTransformer2DModel,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPVisionConfig, SiglipVisionConfig

from bridge.diffusion import networks
from bridge.diffusion.clip_vision import vision_config
from bridge.diffusion.siglip import siglip_config
from bridge.diffusion.t5 import t5_config
from bridge.diffusion.transformer_controlnets import empty_transformer_controlnet
from bridge.diffusion.transformer_networks import transformer_config
from bridge.models import AutoencoderLayout, Family, TextLayout, TowerKind, TransformerControlPart
from bridge.models.vision import VisionLayout
from tests.diffusion import test_transformer_controlnets as transformer_controls
from tests.diffusion.test_full_size import REFINER, SD1, SD2, SDXL, SIGLIP_SO400M, UNETS
from tests.diffusion.transformer_weights import PUBLISHED
from tests.models.test_t5 import XXL

Rows = list[list[str]]

PAGE = (Path(__file__).parents[2] / "docs" / "configurations.md").read_text("utf-8")
FAMILIES = ((SD1, Family.SD1), (SD2, Family.SD2), (SDXL, Family.SDXL), (REFINER, Family.SDXL_REFINER))
HINTS = (16, 32, 96, 256)
TEXTS: dict[TowerKind, tuple[int, int, int, int]] = {
    "clip_l": (768, 3072, 12, 0),
    "clip_h": (1024, 4096, 24, 1024),
    "clip_g": (1280, 5120, 32, 1280),
}
VISIONS = ((1024, 4096, 24, 768), (1280, 5120, 32, 1024), (1664, 8192, 48, 1280))
LIBRARY = {
    "UNet": UNet2DConditionModel,
    "ControlNet": ControlNetModel,
    "autoencoder": AutoencoderKL,
    "SD3": SD3Transformer2DModel,
    "Flux": FluxTransformer2DModel,
    "PixArt": PixArtTransformer2DModel,
}
TRANSFORMER_CONTROLS = [
    (transformer_controls.SD35_LARGE, "SD3"),
    *[
        (part, "SD3" if part.family is Family.SD3 else "Flux")
        for part, _ in transformer_controls.PUBLISHED.values()
    ],
]
TRANSFORMERS = {"SD3": "sd35_medium", "Flux": "flux_dev", "PixArt": "pixart_alpha"}


def rows(title: str) -> Rows:
    """Return the cells of a section's table, without its head."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def value(cell: str) -> Any:
    return ast.literal_eval(cell.strip("`"))


def unet_configs() -> list[dict[str, Any]]:
    return [networks.unet_config(layout, family) for layout, family in FAMILIES]


def controlnet_config() -> dict[str, Any]:
    return networks.controlnet_config(replace(SD1, decoder_depths=(), hint_channels=HINTS), Family.SD1)


def autoencoder_config() -> dict[str, Any]:
    return networks.autoencoder_config(AutoencoderLayout((128, 256, 512, 512), 2, 4))


def assert_listed(table: Rows, configs: Iterable[Mapping[str, Any]]) -> None:
    """Check that each field has a row, and that what a cell gives is the field's value."""
    listed = {row[0].strip("`"): row[1:-1] for row in table}
    assert all(row[-1] for row in table)
    for column, config in enumerate(configs):
        assert config.keys() <= listed.keys()
        for name, cells in listed.items():
            if cells[column] == "–":
                assert name not in config, name
            elif cells[column] != "file":
                assert value(cells[column]) == config[name], name


def test_every_field_of_a_unet_has_a_source() -> None:
    assert_listed(rows("UNet"), unet_configs())
    known = {row[0].strip("`") for row in rows("UNet")}
    for layout, family in UNETS.values():
        assert networks.unet_config(layout, family).keys() <= known


def test_every_field_of_a_controlnet_has_a_source() -> None:
    shared = {row[0].strip("`"): row for row in rows("UNet")}
    config = controlnet_config()
    assert_listed(rows("ControlNet"), [{key: config[key] for key in config.keys() - shared.keys()}])


@pytest.mark.parametrize(("part", "steered"), TRANSFORMER_CONTROLS)
def test_what_a_transformers_controlnet_has_besides_has_a_source(
    part: TransformerControlPart, steered: str
) -> None:
    network = empty_transformer_controlnet(part).network
    defaults = inspect.signature(type(network)).parameters
    listed = {row[0].strip("`"): row[1] for row in rows("ControlNets of transformers") if row[2]}
    for name in defaults.keys() - {row[0].strip("`") for row in rows(steered)}:
        if network.config[name] != defaults[name].default:
            assert listed[name] in ("file", f"`{network.config[name]}`"), name


def test_every_field_of_an_autoencoder_has_a_source() -> None:
    assert_listed(rows("Autoencoder"), [autoencoder_config()])


@pytest.mark.parametrize("network", TRANSFORMERS)
def test_every_field_of_a_transformer_has_a_source(network: str) -> None:
    layout, _ = PUBLISHED[TRANSFORMERS[network]]
    assert_listed(rows(network), [transformer_config(layout)])


def test_every_field_of_a_tower_has_a_source() -> None:
    texts = [networks.text_config(TextLayout(49408, 77, *sizes), kind) for kind, sizes in TEXTS.items()]
    assert_listed(rows("Text towers"), texts)
    assert_listed(rows("T5"), [t5_config(XXL)])
    images = [vision_config(VisionLayout(*sizes[:3], 257, sizes[3])) for sizes in VISIONS]
    assert_listed(rows("Image towers"), images)
    assert_listed(rows("SigLIP"), [siglip_config(SIGLIP_SO400M)])


@pytest.mark.parametrize("network", LIBRARY)
def test_what_is_left_to_diffusers_is_listed_with_its_default(network: str) -> None:
    config = {
        "UNet": unet_configs()[0],
        "ControlNet": controlnet_config(),
        "autoencoder": autoencoder_config(),
        **{each: transformer_config(PUBLISHED[name][0]) for each, name in TRANSFORMERS.items()},
    }
    defaults = {name: each.default for name, each in inspect.signature(LIBRARY[network]).parameters.items()}
    left = {name: default for name, default in defaults.items() if name not in config[network]}
    if network == "UNet":
        left.pop("mid_block_type")  # has a row of its own
    listed = {
        row[0].strip("`"): value(row[1])
        for row in rows("Left to the libraries")
        if network in row[2].split(", ") and row[3]
    }
    assert listed == left


def test_what_is_left_to_transformers_has_the_default_that_is_listed() -> None:
    configs = {
        "text tower": CLIPTextConfig(),
        "image tower": CLIPVisionConfig(),
        "SigLIP": SiglipVisionConfig(),
    }
    for name, default, networks_, source in rows("Left to the libraries"):
        for network in networks_.split(", "):
            if network in configs:
                assert getattr(configs[network], name.strip("`")) == value(default), name
                assert source


def test_the_other_numbers_are_those_of_the_code() -> None:
    for place, cell, source in rows("Other numbers"):
        module, name = place.strip("`").split(".")
        home = "bridge.models" if module == "models" else f"bridge.diffusion.{module}"
        assert getattr(importlib.import_module(home), name) == value(cell), place
        assert source
