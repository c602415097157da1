"""Networks at full size, on the meta device: names and shapes of published files, and their parameter counts.

``comfyui/full_size.json`` holds what ComfyUI 0.3.64's own modules have on the meta device: how many tensors
and numbers, and the SHA-256 of a line ``name HxW…`` for each tensor, sorted. The counts are also those of the
published models: https://huggingface.co/docs/diffusers (SD 1.5 and its ControlNets, SDXL) and model cards.
SD3's hold its positions, which count as parameters in some places and not in others.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bridge.diffusion import networks
from bridge.diffusion.ip_adapter.projection import adapter_names, empty_adapter
from bridge.diffusion.ldm_names import open_clip_places
from bridge.diffusion.siglip import empty_siglip, siglip_config, siglip_names
from bridge.diffusion.style_model import ReduxEncoder
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.models import (
    AutoencoderLayout,
    Family,
    Header,
    StyleLayout,
    TensorEntry,
    TextLayout,
    TowerKind,
    UNetLayout,
    VisionLayout,
    checkpoint,
    clip_vision,
    denoiser,
    ip_adapter,
    style_model,
)
from bridge.models.control import ControlPart, controlnet
from tests.diffusion import transformer_weights

SD1 = UNetLayout(4, (320, 640, 1280, 1280), (1, 1, 1, 0), 1, (0, 1, 1, 1), 2, 768)
SD2 = replace(SD1, context_width=1024, is_linear=True)
SDXL = UNetLayout(4, (320, 640, 1280), (0, 2, 10), 10, (10, 2, 0), 2, 2048, True, 2816)
REFINER = UNetLayout(4, (384, 768, 1536, 1536), (0, 4, 4, 0), 4, (0, 4, 4, 0), 2, 1280, True, 2560)
SSD_1B = replace(SDXL, depths=(0, 2, 4), middle_depth=0, decoder_depths=((4, 4, 10), (2, 1, 1), 0))
VEGA = replace(SDXL, depths=(0, 1, 2), middle_depth=0, decoder_depths=(2, 1, 0))
KOALA_700M = replace(SDXL, depths=(0, 2, 5), middle_depth=None, decoder_depths=(5, 2, 0), blocks=1)
KOALA_1B = replace(KOALA_700M, depths=(0, 2, 6), middle_depth=6, decoder_depths=(6, 2, 0))
UNETS = {
    "sd15": (SD1, Family.SD1),
    "sd15_inpainting": (replace(SD1, in_channels=9), Family.SD1),
    "sd15_instruct": (replace(SD1, in_channels=8), Family.SD1),
    "sd2": (SD2, Family.SD2),
    "sd2_inpainting": (replace(SD2, in_channels=9), Family.SD2),
    "sdxl": (SDXL, Family.SDXL),
    "refiner": (REFINER, Family.SDXL_REFINER),
    "ssd_1b": (SSD_1B, Family.SDXL),
    "segmind_vega": (VEGA, Family.SDXL),
    "koala_700m": (KOALA_700M, Family.SDXL),
    "koala_1b": (KOALA_1B, Family.SDXL),
}
COMFYUI = json.loads((Path(__file__).parent / "comfyui" / "full_size.json").read_text())
PUBLISHED = {
    "sd15": 859_520_964, "sd2": 865_910_724, "sdxl": 2_567_463_684, "controlnet_sd15": 361_279_120,
    "vae": 83_653_863, "vae16": 83_819_683, "sd3_medium": 2_084_951_104, "flux_dev": 11_901_408_320,
    "flux_schnell": 11_891_178_560,
}  # fmt: skip
SIGLIP_SO400M = VisionLayout(1152, 4304, 27, 729, 0, is_siglip=True, has_head=True)
EMPTY_PROMPTS = {"pixart_alpha": 120, "pixart_sigma": 300}
"""Tokens of what PixArt learnt of no prompt, which diffusers has no use for."""


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def shapes_of(state: Mapping[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def facts(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    lines = "".join(f"{name} {'x'.join(map(str, shapes[name]))}\n" for name in sorted(shapes))
    parameters = sum(math.prod(shape) for shape in shapes.values())
    return {
        "tensors": len(shapes),
        "parameters": parameters,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def described(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> Header:
    return Header({prefix + name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_the_counts_are_the_published_ones() -> None:
    assert {name: COMFYUI[name]["parameters"] for name in PUBLISHED} == PUBLISHED


@pytest.mark.parametrize("name", UNETS)
def test_a_unet_has_the_names_and_shapes_of_comfyuis_and_is_known_by_them(ldm: Any, name: str) -> None:
    layout, family = UNETS[name]
    unet = networks.empty_unet(networks.unet_config(layout, family))
    shapes = shapes_of(ldm.unet_state(unet, layout.blocks))
    assert facts(shapes) == COMFYUI[name]
    found = checkpoint(described(shapes, "model.diffusion_model."), "x")
    assert (found.unet.family, found.unet.layout) == (family, layout)


@pytest.mark.parametrize("name", transformer_weights.PUBLISHED)
def test_a_transformer_has_the_names_and_shapes_of_comfyuis_and_is_known_by_them(name: str) -> None:
    layout, family = transformer_weights.PUBLISHED[name]
    state = empty_transformer(layout).state_dict()
    shapes = shapes_of(transformer_weights.original_state(state, layout))
    if name in EMPTY_PROMPTS:
        shapes["y_embedder.y_embedding"] = (EMPTY_PROMPTS[name], 4096)
    assert facts(shapes) == COMFYUI[name]
    for tensors in (shapes, shapes_of(state)):
        found = denoiser(described(tensors, ""), "x")
        assert (found.family, found.layout) == (family, layout)


def test_sd3_has_two_counts_because_its_positions_are_not_trained() -> None:
    layout, _ = transformer_weights.PUBLISHED["sd3_medium"]
    network = empty_transformer(layout)
    assert count(network) == 2_028_328_000
    assert (
        sum(each.numel() for each in network.buffers()) == 192 * 192 * 1536 == 2_084_951_104 - 2_028_328_000
    )


@pytest.mark.parametrize("name", ["sd15", "sd2", "sdxl"])
def test_a_controlnet_has_the_names_and_shapes_of_comfyuis_and_is_known_by_them(ldm: Any, name: str) -> None:
    layout, family = UNETS[name]
    layout = replace(layout, decoder_depths=(), hint_channels=(16, 32, 96, 256))
    network = networks.empty_controlnet(networks.controlnet_config(layout, family))
    shapes = shapes_of(ldm.unet_state(network, layout.blocks))
    assert facts(shapes) == COMFYUI[f"controlnet_{name}"]
    found = controlnet(described(shapes, "control_model."), "x")
    assert isinstance(found, ControlPart)
    assert (found.family, found.layout) == (family, layout)


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


def test_siglip_has_the_names_and_shapes_of_comfyuis_and_is_known_by_them() -> None:
    """And a head, which ComfyUI leaves out; with it, it is the 428 M of Alabdulmohsin et al. 2023."""
    tower = empty_siglip(siglip_config(SIGLIP_SO400M))
    shapes = {siglip_names(name)[0]: shape for name, shape in shapes_of(tower.state_dict()).items()}
    assert count(tower) == 428_225_600
    assert facts({name: shape for name, shape in shapes.items() if ".head." not in name}) == COMFYUI["siglip"]
    assert clip_vision(described(shapes, ""), "x") == SIGLIP_SO400M


def test_redux_has_the_names_and_shapes_of_comfyuis_and_is_known_by_them() -> None:
    layout = StyleLayout(Family.FLUX, 1152, 4096, inner_width=3 * 4096)
    with torch.device("meta"):
        shapes = shapes_of(ReduxEncoder(layout).state_dict())
    assert facts(shapes) == COMFYUI["redux"]
    assert style_model(described(shapes, ""), "x") == layout


def _linear(name: str, *shape: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


@pytest.mark.parametrize("tokens", [4, 16], ids=["v1", "v2"])
def test_xlabs_adapter_for_flux_has_the_names_and_shapes_of_its_code(tokens: int) -> None:
    """ImageProjModel and IPProcessor of github.com/XLabs-AI/x-flux-comfyui; no count is published."""
    projection = "ip_adapter_proj_model"
    expected = _linear(f"{projection}.proj", tokens * 4096, 768) | _linear(f"{projection}.norm", 4096)
    for layer in range(19):
        for part in "kv":
            name = f"double_blocks.{layer}.processor.ip_adapter_double_stream_{part}_proj"
            expected |= _linear(name, 3072, 4096)
    assert adapter_shapes(expected) == expected


def test_instantx_adapter_for_flux_has_the_names_and_shapes_of_its_code() -> None:
    """MLPProjModel and IPAFluxAttnProcessor2_0 of github.com/Shakker-Labs/ComfyUI-IPAdapter-Flux."""
    expected = _linear("image_proj.proj.0", 2304, 1152) | _linear("image_proj.proj.2", 128 * 4096, 2304)
    expected["image_proj.norm.weight"] = expected["image_proj.norm.bias"] = (4096,)
    for layer in range(57):
        for part in "kv":
            expected[f"ip_adapter.{layer}.to_{part}_ip.weight"] = (3072, 4096)
    assert adapter_shapes(expected) == expected


def adapter_shapes(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return what we look for in a file that has tensors of some names and shapes."""
    layout = ip_adapter(described(shapes, ""), "x")
    mine = shapes_of(empty_adapter(layout).state_dict())
    return {adapter_names(layout, name)[0]: shape for name, shape in mine.items()}


@pytest.mark.parametrize(("name", "channels"), [("vae", 4), ("vae16", 16)])
def test_an_autoencoder_has_the_names_and_shapes_of_comfyuis(ldm: Any, name: str, channels: int) -> None:
    layout = AutoencoderLayout((128, 256, 512, 512), 2, channels, has_quant_convs=channels == 4)
    network = networks.empty_autoencoder(networks.autoencoder_config(layout))
    assert facts(shapes_of(ldm.autoencoder_state(network))) == COMFYUI[name]
