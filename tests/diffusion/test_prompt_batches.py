"""Prompts made ready for a run, and the batches they run in."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion import (
    Area,
    Control,
    DiffusionModel,
    MicroConditioning,
    Placement,
    Prompt,
    Region,
    choose_placement,
)
from bridge.diffusion.backbones import Outset, backbone_of
from bridge.diffusion.prompt_batches import Batch, ReadyPrompt, make_batches, ready_prompts
from bridge.diffusion.regions import Window
from bridge.diffusion.steering import Steering
from bridge.models import Family

SHAPE = (2, 4, 16, 16)
CPU = choose_placement("cpu")
LEFT, INNER = Area(128, 64, 0, 0), Area(64, 64, 32, 0)


def prompt(number: float, **limits: Any) -> Prompt:
    """A prompt that is told by its embeddings."""
    return Prompt(torch.full((1, 77, 16), number), **limits)


def ready(model: DiffusionModel, positive: list[Prompt], negative: list[Prompt]) -> tuple[ReadyPrompt, ...]:
    return ready_prompts(model, positive, negative, Outset(SHAPE))


def batches(
    prompts: tuple[ReadyPrompt, ...], where: Placement = CPU, *, is_apart: bool = False
) -> list[Batch]:
    def no_steering(control: Control, size: tuple[int, int]) -> Steering:
        raise AssertionError

    return make_batches(backbone_of(Family.SD1), prompts, SHAPE, no_steering, where, is_apart=is_apart)


def seen(prompts: tuple[ReadyPrompt, ...]) -> list[tuple[bool, float, Window | None]]:
    return [(each.is_negative, float(each.prompt_embeds[0, 0, 0]), each.window) for each in prompts]


def test_plain_prompts_stay_as_they_are(model: DiffusionModel) -> None:
    assert seen(ready(model, [prompt(1), prompt(2)], [prompt(3)])) == [
        (False, 1.0, None),
        (False, 2.0, None),
        (True, 3.0, None),
    ]


def test_each_window_is_seen_by_the_other_side_too(model: DiffusionModel) -> None:
    window = Window(0, 0, 16, 8)
    weak = prompt(1, area=LEFT, strength=0.5, end=0.4)
    prompts = ready(model, [weak], [prompt(3)])
    assert seen(prompts) == [(False, 1.0, window), (True, 3.0, None), (True, 3.0, window)]
    positive, _, counterpart = prompts
    assert torch.equal(torch.as_tensor(counterpart.weight), torch.as_tensor(positive.weight))
    assert (counterpart.start, counterpart.end) == (positive.start, positive.end)


def test_the_counterpart_has_the_words_of_the_smallest_window_around(model: DiffusionModel) -> None:
    prompts = ready(model, [prompt(1, area=INNER)], [prompt(3), prompt(4, area=LEFT)])
    assert (True, 4.0, Window(4, 0, 8, 8)) in seen(prompts)
    # The positive side sees nothing around the negative prompt's window: it gets no counterpart there.
    assert [each for each in seen(prompts) if not each[0]] == [(False, 1.0, Window(4, 0, 8, 8))]


def test_windows_that_both_sides_have_stay_as_they_are(model: DiffusionModel) -> None:
    assert len(ready(model, [prompt(1, area=LEFT)], [prompt(3, area=LEFT)])) == 2


def test_no_negative_prompts_need_no_counterparts(model: DiffusionModel) -> None:
    assert len(ready(model, [prompt(1, area=LEFT)], [])) == 1


def test_a_counterpart_is_told_what_its_own_side_is(model: DiffusionModel) -> None:
    refiner = replace(model, family=Family.SDXL_REFINER)
    pooled = torch.ones(1, 8)
    positive = prompt(1, area=LEFT, pooled_prompt_embeds=pooled, micro=MicroConditioning(9, 9))
    negative = prompt(3, pooled_prompt_embeds=2 * pooled)
    counterpart = ready(refiner, [positive], [negative])[-1]
    assert counterpart.extras["text_embeds"][0, 0] == 2
    assert counterpart.extras["time_ids"].tolist() == [[128, 128, 0, 0, 2.5]]


def test_prompts_of_one_size_share_a_batch(model: DiffusionModel) -> None:
    prompts = ready(model, [prompt(1, area=LEFT), prompt(2)], [prompt(3)])
    assert [len(batch.prompts) for batch in batches(prompts)] == [2, 2]
    apart = batches(prompts, is_apart=True)
    assert [len(batch.prompts) for batch in apart] == [1, 1, 1, 1]


def test_pictures_of_the_first_prompt_come_first(model: DiffusionModel) -> None:
    [batch] = batches(ready(model, [prompt(1)], [prompt(3)]))
    assert batch.prompt_embeds[:, 0, 0].tolist() == [1, 1, 3, 3]
    assert batch.shares == (1.0, 1.0)


def test_a_batch_of_embeddings_goes_with_a_batch_of_latents(model: DiffusionModel) -> None:
    several = Prompt(torch.arange(3.0)[:, None, None].expand(3, 77, 16))
    [batch] = batches(ready(model, [several], []))
    assert batch.prompt_embeds[:, 0, 0].tolist() == [0, 1]


@pytest.mark.parametrize("idle", [prompt(1, strength=0.0), prompt(1, region=Region(torch.zeros(1, 16, 16)))])
def test_what_counts_nowhere_does_not_run(model: DiffusionModel, idle: Prompt) -> None:
    [batch] = batches(ready(model, [idle, prompt(2)], []))
    assert batch.prompt_embeds[:, 0, 0].tolist() == [2, 2]


def test_sizes_stay_exact_in_half_precision(model: DiffusionModel) -> None:
    half = choose_placement("cpu", "bfloat16")
    sdxl = replace(model, family=Family.SDXL)
    told = prompt(1, pooled_prompt_embeds=torch.ones(1, 8), micro=MicroConditioning(1023, 1025))
    [batch] = batches(ready(sdxl, [told], []), half)
    assert batch.extras["text_embeds"].dtype == torch.bfloat16
    assert batch.extras["time_ids"].tolist() == [[1025, 1023, 0, 0, 1025, 1023]] * 2


def test_a_prompt_with_more_tokens_than_whole_chunks_runs_apart(model: DiffusionModel) -> None:
    """With a plain one it would be repeated to 77 · 85 tokens."""
    styled = Prompt(torch.full((1, 85, 16), 1.0))
    made = batches(ready(model, [styled], [prompt(2), prompt(3)]))
    assert [batch.prompt_embeds.shape[1] for batch in made] == [85, 77]
    long = Prompt(torch.full((1, 154, 16), 1.0))
    assert [batch.prompt_embeds.shape[1] for batch in batches(ready(model, [long], [prompt(2)]))] == [154]
