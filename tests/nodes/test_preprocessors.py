"""Edge pictures for ControlNets."""

from typing import Any

import numpy as np
import pytest
import torch

from bridge.imaging import canny_of_photo, in_steps, padded, scribble, to_resolution
from bridge.nodes import preprocessors
from bridge.nodes.preprocessors import canny_edge, fake_scribble, hed


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """What the edge detector gets; its edges are the pictures' red."""
    pictures: list[torch.Tensor] = []

    async def soft_edges(batch: torch.Tensor) -> torch.Tensor:
        pictures.append(batch)
        return batch[..., 0]

    monkeypatch.setattr(preprocessors, "soft_edges", soft_edges)
    return pictures


@pytest.fixture
def images() -> Any:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 40, 50, 4), np.uint8)) / 255


@pytest.fixture
def bytes_of(images: torch.Tensor) -> np.ndarray:
    return to_resolution((images[1, ..., :3] * 255).round().byte().numpy(), 64)


def test_canny_edge(images: torch.Tensor, bytes_of: np.ndarray) -> None:
    lines = canny_edge(images, 100, 200, 64)
    assert lines.shape == (2, 64, 80, 3)
    assert torch.equal(lines[1, ..., 2], torch.from_numpy(canny_of_photo(bytes_of, 100, 200)))


async def test_hed_sees_padded_pictures_and_its_edges_lose_the_padding(
    images: torch.Tensor, bytes_of: np.ndarray, seen: list[torch.Tensor]
) -> None:
    edges = await hed(images, "disable", 64)
    assert edges.shape == (2, 64, 80, 3)
    assert seen[0].shape == (2, 64, 128, 3)
    assert torch.equal(seen[0][1], torch.from_numpy(padded(bytes_of)) / 255)
    assert torch.equal(edges[1, ..., 1], torch.from_numpy(bytes_of)[..., 0] / 255)


@pytest.mark.usefixtures("seen")
async def test_safe_edges_come_in_steps(images: torch.Tensor, bytes_of: np.ndarray) -> None:
    edges = await hed(images, "enable", 64)
    expected = in_steps(bytes_of[..., 0] / np.float32(255))
    assert torch.equal(edges[1, ..., 0], torch.from_numpy(expected))


@pytest.mark.usefixtures("seen")
async def test_a_scribble_is_made_of_the_edges(images: torch.Tensor) -> None:
    edges = (await hed(images, "enable", 64))[1, ..., 0].numpy()
    drawn = await fake_scribble(images, "enable", 64)
    assert torch.equal(drawn[1, ..., 0], torch.from_numpy(scribble(edges)))
