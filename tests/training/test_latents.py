import copy

import numpy as np
import pytest
import torch

from training.bank import Bank
from training.latents import MEASURED, decode, encode, standardise
from training.networks import SCALING_FACTOR, make_autoencoder
from training.recipe import SMOKE

SIDE = 32


@pytest.fixture(scope="module")
def bank():
    """As many samples as are measured, so that the statistics cover all of them once."""
    rng = np.random.default_rng(0)
    pixels, tokens = (MEASURED, SIDE, SIDE), np.zeros((MEASURED, 1, 1, 77), np.int32)
    # Random shades a picture and a little grain: latents whose channels differ in mean and spread.
    base = rng.integers(40, 216, (MEASURED, 2, 1, 1, 3))
    pictures = (base + rng.integers(-40, 40, (MEASURED, 2, SIDE, SIDE, 3))).astype(np.uint8)
    return Bank(
        color=pictures[:, 0],
        target=pictures[:, 1:],
        depth=np.zeros(pixels, np.uint8),
        lines=np.zeros(pixels, np.uint8),
        noise=np.zeros((MEASURED, 1, 4, SIDE // 4, SIDE // 4), np.float16),
        tokens=tokens,
        unknown=tokens[0, 0],
        looks=[],
    )


@pytest.fixture(scope="module")
def autoencoders(bank):
    """One as it was initialised, and the same standardised."""
    torch.manual_seed(0)
    before = make_autoencoder(SMOKE.sizes).eval()
    after = copy.deepcopy(before)
    standardise(after, bank)
    return before, after


def test_standardised_latents_have_zero_mean_and_unit_variance(bank, autoencoders):
    before, after = autoencoders
    pictures = np.concatenate([bank.target[:, 0], bank.color])
    raw, scaled = (encode(autoencoder, pictures) * SCALING_FACTOR for autoencoder in (before, after))
    # Only float32 rounding is left: 1e-7 of the latents' size before, which is some spreads.
    dimensions = (0, 2, 3)
    assert raw.var(dimensions).sub(1).abs().max() > 0.5
    assert scaled.mean(dimensions).abs().max() < 1e-5
    assert scaled.var(dimensions).sub(1).abs().max() < 1e-5


@torch.no_grad()
def test_standardising_leaves_the_round_trip_as_it_was(bank, autoencoders):
    pictures = bank.color[:8]
    first, second = (autoencoder.decode(encode(autoencoder, pictures)).sample for autoencoder in autoencoders)
    assert first.std() > 0.01
    # The same sums in another order, through some twenty layers of float32.
    assert torch.allclose(first, second, atol=1e-4)


@torch.no_grad()
def test_the_encoder_s_uncertainty_shrinks_with_its_latents(bank, autoencoders):
    batch = torch.from_numpy(bank.color[:8]).permute(0, 3, 1, 2).float() / 127.5 - 1
    first, second = (autoencoder.encode(batch).latent_dist for autoencoder in autoencoders)
    shrunk = first.mean.std((0, 2, 3)) / second.mean.std((0, 2, 3))
    assert torch.allclose(first.std, second.std * shrunk.view(1, -1, 1, 1), rtol=1e-3)


def test_decoded_latents_are_pictures_of_four_pixels_a_cell(autoencoders):
    cells = SIDE // 4
    pictures = decode(autoencoders[1], torch.zeros(5, 4, cells, cells))
    assert pictures.shape == (5, SIDE, SIDE, 3)
    assert pictures.dtype == np.uint8
