"""What SDXL is told besides the prompt."""

from dataclasses import replace

import pytest
import torch

from bridge.diffusion import DiffusionModel, MicroConditioning, Prompt
from bridge.diffusion.micro import added_conditioning
from bridge.errors import ModelError
from bridge.models import Family

SHAPE = (1, 4, 16, 24)
PROMPT = Prompt(torch.zeros(1, 77, 16), torch.rand(1, 8))
SIZES = MicroConditioning(width=300, height=200, crop_x=3, crop_y=2)


def numbers(model: DiffusionModel, prompt: Prompt, *, is_negative: bool = False) -> list[float]:
    added = added_conditioning(prompt, model, SHAPE, is_negative=is_negative)
    assert added
    assert added[0] is prompt.pooled_prompt_embeds
    [row] = added[1].tolist()
    return list(row)


def test_other_families_are_told_nothing(model: DiffusionModel) -> None:
    assert added_conditioning(PROMPT, model, SHAPE, is_negative=False) is None


def test_sdxl_is_told_heights_before_widths(model: DiffusionModel) -> None:
    sdxl = replace(model, family=Family.SDXL)
    assert numbers(sdxl, PROMPT) == [128, 192, 0, 0, 128, 192]
    assert numbers(sdxl, replace(PROMPT, micro=SIZES)) == [200, 300, 2, 3, 200, 300]
    aimed = replace(SIZES, target_width=0, target_height=70)
    assert numbers(sdxl, replace(PROMPT, micro=aimed)) == [200, 300, 2, 3, 70, 0]


def test_the_refiner_is_told_a_score_that_depends_on_the_side(model: DiffusionModel) -> None:
    refiner = replace(model, family=Family.SDXL_REFINER)
    assert numbers(refiner, PROMPT) == [128, 192, 0, 0, 6.0]
    assert numbers(refiner, PROMPT, is_negative=True) == [128, 192, 0, 0, 2.5]
    scored = replace(PROMPT, micro=replace(SIZES, aesthetic_score=0.0))
    assert numbers(refiner, scored, is_negative=True) == [200, 300, 2, 3, 0.0]


def test_a_missing_pooled_embedding_is_said(model: DiffusionModel) -> None:
    sdxl = replace(model, family=Family.SDXL)
    with pytest.raises(
        ModelError, match=r"SDXL and needs the pooled embedding .* negative conditioning"
    ) as caught:
        added_conditioning(replace(PROMPT, pooled_prompt_embeds=None), sdxl, SHAPE, is_negative=True)
    assert caught.value.code == "model_mismatch"
