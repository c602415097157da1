"""Batches of latents; their numbers are compared with ComfyUI in ``test_reference``."""

import pytest
import torch

from bridge.errors import InputError
from bridge.nodes.latent_batch import (
    latent_batch,
    latent_from_batch,
    rebatch_latents_node,
    repeat_latent_batch,
)


def some(count, side=8, **more):
    return {"samples": torch.rand(count, 4, side, side), **more}


def test_a_mask_of_fewer_pictures_goes_round_before_it_is_repeated():
    masks = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    repeated = repeat_latent_batch(some(3, noise_mask=masks), 2)
    assert repeated["noise_mask"].flatten().tolist() == [0, 1, 0, 0, 1, 0]


def test_pictures_keep_noise_and_mask_when_they_are_picked():
    masks = torch.rand(3, 1, 8, 8)
    picked = latent_from_batch(some(3, noise_mask=masks, batch_index=[4, 5, 9]), 1, 9)
    assert picked["batch_index"] == [5, 9]
    assert torch.equal(picked["noise_mask"], masks[1:])


def test_each_picture_keeps_its_mask_and_number_in_new_batches():
    masks = torch.zeros(1, 1, 64, 64)
    batches = rebatch_latents_node([some(2), some(1, noise_mask=masks), some(1, side=4)], [2])
    assert [len(batch["samples"]) for batch in batches] == [2, 1, 1]
    assert [batch["batch_index"] for batch in batches] == [[0, 1], [2], [3]]
    assert ["noise_mask" in batch for batch in batches] == [False, True, False]


def test_the_latent_factor_is_kept():
    fine = some(1, downscale_ratio_spacial=4)
    assert latent_batch(fine, some(1))["downscale_ratio_spacial"] == 4
    assert rebatch_latents_node([fine, some(1)], 2)[0]["downscale_ratio_spacial"] == 4


def test_batches_are_bounded():
    with pytest.raises(InputError) as caught:
        repeat_latent_batch(some(4, side=256), 64)
    assert caught.value.code == "image_too_large"


def test_latents_of_another_vae_are_refused():
    with pytest.raises(InputError, match="4 and of 16 channels"):
        latent_batch(some(1), {"samples": torch.rand(1, 16, 8, 8)})
