import numpy as np
import torch

from training.denoiser import noised_and_wanted
from training.samples import ALONE, COUPLED_SHARE, EncodedBank, draw_batch, draw_moments

PLAIN = np.zeros((0, 2), np.int64)


def encoded_bank(own_colours: bool = False, plain_photos: np.ndarray = PLAIN) -> EncodedBank:
    """One sample of 64 pixels whose planes hold their own coordinates."""
    ramp = torch.arange(64, dtype=torch.uint8)
    cells = torch.arange(16, dtype=torch.float16)[:, None].expand(16, 16)
    latents = torch.stack([cells, cells.T, cells, cells])
    return EncodedBank(
        target=latents[None, None],
        color=latents[None],
        noise=-latents[None, None],
        depth=ramp[:, None].expand(1, 64, 64),
        lines=ramp[None, :].expand(1, 64, 64),
        tokens=torch.full((1, 1, 4, 77), 7, dtype=torch.int32),
        unknown=torch.full((1, 77), 9, dtype=torch.int32),
        own_colours=np.array([[own_colours]]),
        plain_photos=plain_photos,
    )


def test_windows_of_latents_and_controls_show_the_same_place():
    rng = np.random.default_rng(0)
    places = set()
    for _ in range(20):
        batch = draw_batch(encoded_bank(), rng, 2, crop=8)
        top, left = float(batch.clean[0, 0, 0, 0]), float(batch.clean[0, 1, 0, 0])
        places.add((top, left))
        assert batch.clean.shape == batch.noise.shape == (2, 4, 8, 8)
        assert batch.depth.shape == (2, 3, 32, 32)
        assert round(float(batch.depth[0, 0, 0, 0]) * 255) == 4 * top
        assert round(float(batch.lines[0, 0, 0, 0]) * 255) == 4 * left
    assert len(places) > 5


def test_most_samples_are_noised_with_the_noise_they_were_drawn_from():
    batch = draw_batch(encoded_bank(), np.random.default_rng(0), 400)
    same = (batch.noise == encoded_bank().noise[0].float()).flatten(1).all(1)
    assert abs(float(same.float().mean()) - COUPLED_SHARE) < 0.06


def test_some_samples_show_a_plain_photo_for_a_prompt_without_a_known_word():
    rng = np.random.default_rng(0)
    batch = draw_batch(encoded_bank(plain_photos=np.array([[0, 0]])), rng, 500)
    is_unknown = (batch.tokens == 9).all(1)
    assert 10 < int(is_unknown.sum()) < 60
    assert bool((batch.tokens[~is_unknown] == 7).all())
    assert bool((draw_batch(encoded_bank(), rng, 500).tokens == 7).all())


def test_scene_colours_are_never_asked_for_where_only_the_prompt_is_known():
    moments = draw_moments(np.full(2000, True), np.random.default_rng(0))
    assert moments.start.max() < ALONE
    assert (moments.now <= moments.start).all()
    assert not moments.is_pure_noise.any()


def test_prompt_colours_are_learnt_from_pure_noise_and_from_the_last_timestep():
    moments = draw_moments(np.full(2000, False), np.random.default_rng(0))
    assert moments.is_pure_noise.sum() > 400
    assert (moments.now[moments.is_pure_noise] == 999).all()
    assert (moments.start[moments.is_img2img] >= ALONE).all()
    assert moments.now.min() < 100


def test_pure_noise_holds_nothing_of_the_target():
    batch = draw_batch(encoded_bank(), np.random.default_rng(3), 100)
    noised, wanted, _ = noised_and_wanted(batch)
    is_pure = torch.from_numpy(batch.moments.is_pure_noise)
    assert 10 < int(is_pure.sum()) < 90
    assert torch.equal(noised[is_pure], batch.noise[is_pure])
    assert torch.allclose(wanted[is_pure], batch.clean[is_pure])
    assert not torch.allclose(noised[~is_pure], batch.noise[~is_pure])
