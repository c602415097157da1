"""FreeU on a tiny UNet; ComfyUI's numbers are in tests/parity, topic ``patches``."""

from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import DiffusionModel, FreeU, add_free_u

NEUTRAL = (1.0, 1.0)


def answer(model: DiffusionModel, side: int = 8) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    latents, prompt = (torch.randn(shape, generator=generator) for shape in ((1, 4, side, side), (1, 77, 16)))
    unet: Any = model.unet.module()
    output: Tensor = unet(latents, torch.tensor(500), prompt).sample
    return output


@pytest.mark.parametrize("is_structured", [False, True])
def test_only_the_new_model_is_reweighed(model: DiffusionModel, is_structured: bool) -> None:
    plain = answer(model)
    louder = add_free_u(model, FreeU(NEUTRAL, (1.4, 0.5), is_structured=is_structured))
    assert not torch.allclose(answer(louder), plain, atol=1e-2)
    torch.testing.assert_close(answer(model), plain)


def test_gains_of_one_change_nothing(model: DiffusionModel) -> None:
    neutral = add_free_u(model, FreeU(NEUTRAL, NEUTRAL, is_structured=True))
    torch.testing.assert_close(answer(neutral), answer(model))


def test_several_add_up(model: DiffusionModel) -> None:
    halved = add_free_u(model, FreeU(NEUTRAL, (0.5, 1.0), is_structured=False))
    again = add_free_u(halved, FreeU(NEUTRAL, (2.0, 1.0), is_structured=False))
    torch.testing.assert_close(answer(again), answer(model))


def test_a_level_of_one_place_gives_numbers(model: DiffusionModel) -> None:
    tiny = add_free_u(model, FreeU(NEUTRAL, (1.4, 1.0), is_structured=True))
    assert answer(tiny, side=2).isfinite().all()
