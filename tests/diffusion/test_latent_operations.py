"""Things done to latents; ComfyUI's numbers are in tests/parity, topic ``guidance``."""

import pytest
import torch
from torch.nn.functional import cosine_similarity

from bridge.diffusion.latent_operations import sharpening, tone_mapping
from bridge.errors import InputError

LATENTS = torch.randn(2, 4, 6, 8, generator=torch.Generator().manual_seed(0)) * 5


def test_tone_mapping_keeps_directions_and_tames_lengths() -> None:
    mapped = tone_mapping(0.5)(LATENTS)
    torch.testing.assert_close(cosine_similarity(mapped, LATENTS), torch.ones(2, 6, 8))
    before, after = LATENTS.norm(dim=1).flatten(1), mapped.norm(dim=1).flatten(1)
    assert (after < before).all()
    assert (after.max(1).values / after.min(1).values < before.max(1).values / before.min(1).values).all()


def test_tone_mapping_to_nothing_leaves_nothing() -> None:
    assert not tone_mapping(0.0)(LATENTS).any()


def test_no_sharpness_changes_nothing() -> None:
    torch.testing.assert_close(sharpening(2, 1.0, 0.0)(LATENTS), LATENTS)


def test_flat_latents_have_nothing_to_sharpen() -> None:
    flat = torch.full((1, 4, 6, 6), 2.0)
    torch.testing.assert_close(sharpening(2, 1.0, 0.5)(flat), flat, atol=1e-4, rtol=1e-4)


def test_latents_smaller_than_the_radius_are_refused() -> None:
    with pytest.raises(InputError, match="8×6 are too small to be sharpened by a radius of 6"):
        sharpening(6, 1.0, 0.1)(LATENTS)
