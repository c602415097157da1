"""Batches of pictures."""

import pytest
import torch

from bridge.errors import InputError
from bridge.nodes.batch import image_batch, image_from_batch, rebatch_images, repeat_image_batch


def pictures(count, height=4, width=6, channels=3):
    return torch.rand(count, height, width, channels)


def test_pictures_of_different_sizes_go_into_different_batches():
    batches = rebatch_images([pictures(2), pictures(1), pictures(3, 5)], [2])
    assert [tuple(batch.shape[:2]) for batch in batches] == [(2, 4), (1, 4), (2, 5), (1, 5)]


def test_a_picture_without_alpha_joins_one_with_it_as_opaque():
    assert image_batch(pictures(1, channels=4), pictures(1))[1, ..., 3].min() == 1


def test_an_index_beyond_the_end_means_the_last():
    batch = pictures(3)
    assert torch.equal(image_from_batch(batch, 9, 9), batch[2:])


def test_batches_are_bounded():
    with pytest.raises(InputError) as caught:
        repeat_image_batch(pictures(1, 512, 512), 4096)
    assert caught.value.code == "image_too_large"
