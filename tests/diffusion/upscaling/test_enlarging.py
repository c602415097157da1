"""Pictures enlarged tile by tile, with the numbers of ComfyUI 0.3.64 and spandrel 0.4.2.

``reference.npz`` holds what those make of the models of ``conftest.py`` and of ``picture(11, 9)``, and,
in tiles of 16 pixels that overlap by 4, of ``picture(29, 18)``.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bridge.diffusion import Network
from bridge.diffusion.upscaling import Upscaler, enlarging, load_upscaler, upscale
from bridge.engine import Job
from bridge.errors import ExecutionError, InputError, Interrupted, OutOfMemory
from bridge.protocol import Progress

AsNode = Callable[[Any], Any]
Write = Callable[..., Path]

with np.load(Path(__file__).with_name("reference.npz")) as _file:
    REFERENCE = dict(_file)


class Doubler(nn.Module):
    """Repeats pixels; refuses tiles that are larger than it can take."""

    scale = 2

    def __init__(self, largest: int = 512, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain), requires_grad=False)
        self.largest = largest
        self.seen: list[tuple[int, ...]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(tuple(image.shape))
        if max(image.shape) > self.largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.gain * image.repeat_interleave(2, 2).repeat_interleave(2, 3)


def upscaler(module: nn.Module) -> Upscaler:
    return Upscaler(Network("upscaling model", lambda placement: module))


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enlarging, "TILE", 16)
    monkeypatch.setattr(enlarging, "SMALLEST_TILE", 8)
    monkeypatch.setattr(enlarging, "OVERLAP", 4)


@pytest.mark.parametrize("model", [name for name in REFERENCE if not name.endswith("tiles")])
async def test_the_numbers_of_the_published_networks(
    model: str, write_model: Write, picture: Callable[..., Tensor], as_node: AsNode
) -> None:
    result = await as_node(upscale(load_upscaler(write_model(model), "m"), picture(11, 9)))
    np.testing.assert_allclose(result, REFERENCE[model], atol=2e-6)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("model", ["compact, x3", "first names, x1"])
async def test_tiles_lie_and_blend_as_comfyuis(
    model: str, write_model: Write, picture: Callable[..., Tensor], as_node: AsNode
) -> None:
    result = await as_node(upscale(load_upscaler(write_model(model), "m"), picture(29, 18)))
    np.testing.assert_allclose(result, REFERENCE[f"{model}, tiles"], atol=2e-6)


async def test_a_batch_goes_through_one_by_one_and_alpha_is_left_out(as_node: AsNode) -> None:
    module = Doubler()
    images = torch.rand(3, 5, 7, 4)
    result = await as_node(upscale(upscaler(module), images))
    assert torch.equal(result, images[..., :3].repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert module.seen == [(1, 3, 5, 7)] * 3
    assert result.is_contiguous()
    assert not result.is_inference()


async def test_results_stay_in_range(as_node: AsNode) -> None:
    result = await as_node(upscale(upscaler(Doubler(gain=3.0)), torch.rand(1, 4, 4, 3)))
    assert result.max() == 1


@pytest.mark.usefixtures("small_tiles")
async def test_progress_counts_the_tiles_of_all_pictures(as_node: AsNode, sent: list[Any]) -> None:
    await as_node(upscale(upscaler(Doubler()), torch.rand(2, 20, 16, 3)))
    told = [(message.value, message.maximum) for message in sent if isinstance(message, Progress)]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.usefixtures("small_tiles")
async def test_cancelled_between_tiles(as_node: AsNode, job: Job) -> None:
    module = Doubler()
    module.register_forward_hook(lambda *_: job.cancel())
    with pytest.raises(Interrupted):
        await as_node(upscale(upscaler(module), torch.rand(1, 20, 20, 3)))
    assert len(module.seen) == 1


@pytest.mark.usefixtures("small_tiles")
async def test_full_memory_leads_to_smaller_tiles(as_node: AsNode) -> None:
    module = Doubler(largest=8)
    image = torch.rand(1, 20, 12, 3)
    result = await as_node(upscale(upscaler(module), image))
    torch.testing.assert_close(result, image.repeat_interleave(2, 1).repeat_interleave(2, 2))
    assert module.seen[0] == (1, 3, 16, 12)
    assert max(max(shape) for shape in module.seen[1:]) == 8


@pytest.mark.usefixtures("small_tiles")
async def test_memory_too_small_for_the_smallest_tile_is_said(as_node: AsNode) -> None:
    with pytest.raises(OutOfMemory, match="enlarging 8×8 pixels with upscaling model") as caught:
        await as_node(upscale(upscaler(Doubler(largest=4)), torch.rand(1, 20, 20, 3)))
    assert "smaller upscaling model" in caught.value.hint


async def test_a_result_too_large_is_refused_at_once(as_node: AsNode) -> None:
    module = Doubler()
    with pytest.raises(InputError, match="20000×2") as caught:
        await as_node(upscale(upscaler(module), torch.zeros(1, 1, 10_000, 3)))
    assert caught.value.code == "image_too_large"
    assert not module.seen


async def test_weights_that_are_no_numbers_are_found(as_node: AsNode) -> None:
    with pytest.raises(ExecutionError, match="upscaling model gave values") as caught:
        await as_node(upscale(upscaler(Doubler(gain=float("nan"))), torch.rand(1, 4, 4, 3)))
    assert caught.value.code == "nan_output"
    assert caught.value.hint


async def test_a_network_out_of_range_goes_on_in_float32(as_node: AsNode) -> None:
    class Hot(Doubler):
        def forward(self, image: Tensor) -> Tensor:
            return (super().forward(image) * 1e5) * 1e-5  # beyond 65504 in half precision

    image = torch.full((1, 4, 4, 3), 0.75)
    hot = Network(
        "upscaling model",
        lambda placement: Hot().to(placement.dtype),
        place=lambda where: replace(where, dtype=torch.float16),
    )
    result = await as_node(upscale(Upscaler(hot), image))
    assert torch.allclose(result, torch.tensor(0.75))
