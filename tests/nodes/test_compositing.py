"""Pictures with alpha; their numbers are compared with ComfyUI in ``test_reference``."""

import torch

from bridge.nodes.compositing import (
    join_image_with_alpha,
    porter_duff_image_composite,
    split_image_with_alpha,
)

IMAGE = torch.rand(2, 4, 6, 3, generator=torch.Generator().manual_seed(0))
MASK = torch.rand(2, 4, 6, generator=torch.Generator().manual_seed(1))


def test_what_was_joined_is_parted_again():
    image, mask = split_image_with_alpha(join_image_with_alpha(IMAGE, MASK))
    torch.testing.assert_close(image, IMAGE)
    torch.testing.assert_close(mask, MASK)


def test_what_is_opaque_covers_and_what_is_transparent_shows():
    below, opaque, clear = torch.rand(2, 4, 6, 3), torch.zeros(2, 4, 6), torch.ones(2, 4, 6)
    for alpha, expected in ((opaque, IMAGE), (clear, below)):
        colour, mask = porter_duff_image_composite(IMAGE, alpha, below, opaque, "SRC_OVER")
        torch.testing.assert_close(colour, expected)
        assert not mask.any()


def test_a_picture_without_alpha_meets_one_with_it():
    with_alpha = torch.cat([IMAGE, MASK[..., None]], -1)
    colour, _ = porter_duff_image_composite(IMAGE, MASK * 0, with_alpha, MASK * 0, "SRC")
    assert colour[..., 3].min() == 1
