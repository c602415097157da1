import numpy as np
import torch

from training.bank import Bank, sample_noise
from training.denoiser import _noised_and_wanted
from training.prompts import Prompter
from training.samples import ALONE, EncodedBank, draw_moment, draw_sample
from training.styles import Look


class WordPrompter(Prompter):
    def __init__(self) -> None:
        pass

    def write(self, look, rng):
        return look.style

    def write_unknown(self, rng):
        return ""


def encoded_bank(own_colours: bool = False) -> EncodedBank:
    """One sample of 64 pixels whose planes hold their own coordinates."""
    ramp = np.arange(64, dtype=np.uint8)
    depth = np.broadcast_to(ramp[:, None], (1, 64, 64))
    lines = np.broadcast_to(ramp[None, :], (1, 64, 64))
    bank = Bank(
        np.zeros((1, 64, 64, 3), np.uint8),
        depth,
        lines,
        np.zeros((1, 1, 64, 64, 3)),
        [[Look("toon", own_colours=own_colours)]],
        9,
    )
    cells = np.broadcast_to(np.arange(16, dtype=np.float16)[:, None], (16, 16))
    latents = np.stack([cells, cells.T, cells, cells])
    return EncodedBank(bank, latents[None, None], latents[None], np.zeros((0, 2), int))


def test_windows_of_latents_and_controls_show_the_same_place():
    rng = np.random.default_rng(0)
    for _ in range(20):
        sample = draw_sample(encoded_bank(), WordPrompter(), rng, crop=8)
        top, left = float(sample.clean[0, 0, 0]), float(sample.clean[1, 0, 0])
        assert sample.clean.shape == sample.noise.shape == (4, 8, 8)
        assert sample.depth.shape == (3, 32, 32)
        assert round(float(sample.depth[0, 0, 0]) * 255) == 4 * top
        assert round(float(sample.lines[0, 0, 0]) * 255) == 4 * left


def test_most_samples_are_noised_with_the_noise_they_were_drawn_from():
    rng = np.random.default_rng(0)
    own = torch.from_numpy(sample_noise(9, 0, 0, 64))
    same = [torch.equal(draw_sample(encoded_bank(), WordPrompter(), rng).noise, own) for _ in range(100)]
    assert 70 <= sum(same) < 100


def test_scene_colours_are_never_asked_for_where_only_the_prompt_is_known():
    rng = np.random.default_rng(0)
    moments = [draw_moment(True, rng) for _ in range(500)]
    assert all(m.start < ALONE and m.now <= m.start and not m.is_pure_noise for m in moments)


def test_prompt_colours_are_learnt_from_pure_noise_and_from_the_last_timestep():
    rng = np.random.default_rng(0)
    moments = [draw_moment(False, rng) for _ in range(500)]
    assert sum(m.is_pure_noise for m in moments) > 100
    assert all(m.start >= ALONE for m in moments if m.is_img2img)


def test_pure_noise_holds_nothing_of_the_target():
    rng = np.random.default_rng(3)
    samples = [draw_sample(encoded_bank(), WordPrompter(), rng) for _ in range(40)]
    noised, wanted, now = _noised_and_wanted(samples)
    for k, sample in enumerate(samples):
        if sample.moment.is_pure_noise:
            assert torch.equal(noised[k], sample.noise)
            assert torch.allclose(wanted[k], sample.clean)
            assert now[k] == 999
