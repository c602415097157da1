"""ControlNets of SD3 and Flux at full size, on the meta device: names, shapes, sizes of published files."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion.transformer_controlnets import (
    empty_transformer_controlnet,
    transformer_control_places,
)
from bridge.models import Family, FluxLayout, SD3Layout, TransformerControlPart, controlnet
from tests.diffusion.test_full_size import COMFYUI, described, facts

FLUX = FluxLayout(64, 64, 3072, 128, 6, 0, 4096, 768, is_guided=True)
SD3 = SD3Layout(2, 16, 16, 1536, 6, 4096, 2048, 192)
STABILITY = SD3Layout(2, 16, 16, 2432, 19, 0, 2048, 0)


def flux(depth: int, single_depth: int, **more: Any) -> TransformerControlPart:
    return TransformerControlPart(Family.FLUX, replace(FLUX, depth=depth, single_depth=single_depth), **more)


XLABS = flux(2, 0, kind="XLabs", is_original=True)
MISTOLINE = flux(3, 2, kind="MistoLine", is_original=True)
SD35_LARGE = TransformerControlPart(Family.SD3, STABILITY, "Stability", is_original=True)
PUBLISHED = {
    "InstantX, SD3": (TransformerControlPart(Family.SD3, SD3), 1.19),
    "alimama, SD3": (
        TransformerControlPart(Family.SD3, replace(SD3, depth=23), sees_mask=True),
        4.16,
    ),
    "InstantX, union": (flux(5, 10, control_types=10), 6.60),
    "InstantX, canny": (flux(5, 0), 3.58),
    "Shakker Labs, union pro 2.0": (flux(6, 0), 4.28),
    "alimama, Flux": (flux(6, 0, sees_mask=True), 4.28),
    "XLabs": (XLABS, 1.49),
    "MistoLine": (MISTOLINE, 2.79),
}
"""Part, and the size of its file in 10⁹ bytes, two a number, as its page on Hugging Face gives it."""


def shapes_of(part: TransformerControlPart) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a file that holds a ControlNet."""
    shapes = {}
    for name, tensor in empty_transformer_controlnet(part).state_dict().items():
        [place] = transformer_control_places(name, part)
        first, last, of = place.rows or (0, 1, 1)
        shapes[place.name] = (tensor.shape[0] * of // (last - first), *tensor.shape[1:])
    return shapes


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_has_the_published_size_and_is_known_by_its_tensors(name: str) -> None:
    part, gigabytes = PUBLISHED[name]
    shapes = shapes_of(part)
    assert round(2e-9 * facts(shapes)["parameters"], 2) == gigabytes
    assert controlnet(described(shapes, ""), "x") == part


@pytest.mark.parametrize(
    ("name", "part"), [("xlabs", XLABS), ("mistoline", MISTOLINE), ("sd35_large", SD35_LARGE)]
)
def test_it_has_the_names_and_shapes_of_comfyuis(name: str, part: TransformerControlPart) -> None:
    shapes = shapes_of(part)
    assert facts(shapes) == COMFYUI[f"controlnet_{name}"]
    assert controlnet(described(shapes, ""), "x") == part


def test_stabilitys_files_hold_more_than_is_read() -> None:
    """They take 8.65 · 10⁹ bytes, four a number; what is left is as much as places of 64² tokens take."""
    read = facts(shapes_of(SD35_LARGE))["parameters"]
    assert round(4e-9 * read, 2) == 8.61
    assert round(4e-9 * (read + 64**2 * 2432), 2) == 8.65


def test_one_fits_a_denoiser_of_its_widths_that_is_no_shallower() -> None:
    network = empty_transformer_controlnet(SD35_LARGE)
    large = {
        "num_attention_heads": 38, "attention_head_dim": 64, "pooled_projection_dim": 2048,
        "joint_attention_dim": 4096, "num_layers": 38,
    }  # fmt: skip
    assert network.fits(large)
    assert not network.fits({**large, "num_attention_heads": 24})
    assert not network.fits({**large, "num_layers": 18})
    assert all(tensor.device == torch.device("meta") for tensor in network.state_dict().values())
