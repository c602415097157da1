"""Joining and cutting latents."""

from typing import Any

import pytest
import torch

from bridge.errors import InputError
from bridge.nodes.latent_operations import latent_concat, latent_cut

LATENTS: Any = {"samples": torch.arange(2.0 * 4 * 5 * 6).view(2, 4, 5, 6), "batch_index": [4, 7]}
ONE: Any = {"samples": torch.full((1, 4, 5, 6), -1.0)}


@pytest.mark.parametrize(("dim", "axis"), [("x", 3), ("y", 2), ("t", 1)])
def test_a_minus_puts_the_second_first(dim: Any, axis: int) -> None:
    others = ONE["samples"].expand(2, -1, -1, -1)
    after, before = latent_concat(LATENTS, ONE, dim), latent_concat(LATENTS, ONE, f"-{dim}")  # type: ignore[arg-type]
    assert torch.equal(after["samples"], torch.cat((LATENTS["samples"], others), axis))
    assert torch.equal(before["samples"], torch.cat((others, LATENTS["samples"]), axis))
    assert after["batch_index"] == [4, 7]


def test_sides_that_meet_must_be_equal() -> None:
    low: Any = {"samples": torch.zeros(1, 4, 3, 6)}
    assert latent_concat(LATENTS, low, "y")["samples"].shape == (2, 4, 8, 6)
    with pytest.raises(InputError, match=r"4×5×6 and 4×3×6 .* cannot be joined there") as caught:
        latent_concat(LATENTS, low, "x")
    assert "LatentUpscale" in str(caught.value.hint)
    with pytest.raises(InputError, match="cannot be joined there") as caught:
        latent_concat(LATENTS, {"samples": torch.zeros(1, 3, 5, 6)}, "x")
    assert "one VAE" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("index", "amount", "columns"),
    [(1, 2, [1, 2]), (4, 9, [4, 5]), (99, 2, [5]), (-2, 1, [4]), (-2, 9, [4, 5]), (-99, 2, [0, 1])],
)
def test_a_cut_stays_within(index: int, amount: int, columns: list[int]) -> None:
    cut = latent_cut(LATENTS, "x", index, amount)
    assert torch.equal(cut["samples"], LATENTS["samples"][..., columns])


def test_rows_and_channels_are_cut_too() -> None:
    assert torch.equal(latent_cut(LATENTS, "y", 1, 2)["samples"], LATENTS["samples"][:, :, 1:3])
    assert torch.equal(latent_cut(LATENTS, "t", -1, 1)["samples"], LATENTS["samples"][:, 3:])
