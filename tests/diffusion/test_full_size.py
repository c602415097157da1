"""Networks at full size, on the meta device: names and shapes of published files, and their parameter counts.

The counts are those of the published models: https://huggingface.co/docs/diffusers (SD 1.5, SDXL), and of
their model cards; the refiner's could not be checked against a publication.
"""

from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from bridge.diffusion import networks
from bridge.diffusion.ldm_names import open_clip_places
from bridge.models import Family, Header, TensorEntry, TextLayout, TowerKind, UNetLayout, checkpoint

SD1 = UNetLayout(4, (320, 640, 1280, 1280), (1, 1, 1, 0), 1, (0, 1, 1, 1), 2, 768)
SD2 = replace(SD1, context_width=1024, is_linear=True)
SDXL = UNetLayout(4, (320, 640, 1280), (0, 2, 10), 10, (10, 2, 0), 2, 2048, True, 2816)
REFINER = UNetLayout(4, (384, 768, 1536, 1536), (0, 4, 4, 0), 4, (0, 4, 4, 0), 2, 1280, True, 2560)
UNETS = [
    (SD1, Family.SD1, 859_520_964),
    (replace(SD1, in_channels=9), Family.SD1, 859_535_364),
    (replace(SD1, in_channels=8), Family.SD1, 859_532_484),
    (SD2, Family.SD2, 865_910_724),
    (replace(SD2, in_channels=9), Family.SD2, 865_925_124),
    (SDXL, Family.SDXL, 2_567_463_684),
    (REFINER, Family.SDXL_REFINER, None),
]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def header_of(tensors: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in tensors.items()}, {})


@pytest.mark.parametrize(("layout", "family", "parameters"), UNETS)
def test_a_unet_is_recognised_by_its_names_and_shapes(
    ldm: Any, layout: UNetLayout, family: Family, parameters: int | None
) -> None:
    unet = networks.empty_unet(networks.unet_config(layout, family))
    assert parameters in (None, count(unet))
    named = ldm.unet_state(unet, layout.blocks)
    found = checkpoint(
        header_of({f"model.diffusion_model.{name}": tuple(each.shape) for name, each in named.items()}), "x"
    )
    assert (found.unet.family, found.unet.layout) == (family, layout)


@pytest.mark.parametrize("family", [Family.SD1, Family.SD2, Family.SDXL])
def test_the_blocks_that_attend_are_those_of_the_family(family: Family) -> None:
    layout = {Family.SD1: SD1, Family.SD2: SD2, Family.SDXL: SDXL}[family]
    config = networks.unet_config(layout, family)
    heads = {Family.SD1: 8, Family.SD2: (5, 10, 20, 20), Family.SDXL: (5, 10, 20)}
    assert config["attention_head_dim"] == heads[family]
    attends = tuple("CrossAttn" in block for block in config["down_block_types"])
    assert attends == tuple(depth > 0 for depth in layout.depths)
    assert config["transformer_layers_per_block"][-1] == layout.middle_depth


@pytest.mark.parametrize(
    ("kind", "width", "inner", "layers", "projection", "parameters"),
    [
        ("clip_l", 768, 3072, 12, 0, 123_060_480),
        ("clip_h", 1024, 4096, 23, 0, 340_387_840),
        ("clip_g", 1280, 5120, 32, 1280, 694_659_840),
    ],
)
def test_text_towers_have_the_published_size(
    kind: TowerKind, width: int, inner: int, layers: int, projection: int, parameters: int
) -> None:
    layout = TextLayout(49408, 77, width, inner, layers, projection)
    tower = networks.empty_text_tower(networks.text_config(layout, kind))
    assert count(tower) == parameters
    assert tower.config.num_attention_heads == width // 64
    assert tower.config.hidden_act == ("quick_gelu" if kind == "clip_l" else "gelu")


def test_open_clip_keeps_every_parameter_somewhere() -> None:
    layout = TextLayout(49408, 77, 1280, 5120, 32, 1280, True)
    tower = networks.empty_text_tower(networks.text_config(layout, "clip_g"))
    places = [open_clip_places(name)[0] for name in tower.state_dict()]
    assert len(set(places)) == len(places)
    assert {place.name for place in places if "resblocks.31." in place.name} == {
        f"transformer.resblocks.31.{part}.{kind}"
        for part in ("attn.out_proj", "ln_1", "ln_2", "mlp.c_fc", "mlp.c_proj")
        for kind in ("weight", "bias")
    } | {"transformer.resblocks.31.attn.in_proj_weight", "transformer.resblocks.31.attn.in_proj_bias"}


@pytest.mark.parametrize(("channels", "parameters"), [((128, 256, 512, 512), 83_653_863)])
def test_an_autoencoder_has_the_published_size(ldm: Any, channels: tuple[int, ...], parameters: int) -> None:
    config = {**ldm.AUTOENCODER, "block_out_channels": channels, "layers_per_block": 2}
    assert count(networks.empty_autoencoder(config)) == parameters
