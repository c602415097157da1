import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from bridge.errors import InputError
from bridge.nodes.image import (
    empty_image,
    image_add_noise,
    image_composite_masked,
    image_invert,
    image_pad_for_outpaint,
    image_scale,
    image_scale_by,
    image_stitch,
)

NOISE = torch.rand(2, 12, 20, 3, generator=torch.Generator().manual_seed(0))


def test_an_empty_image_has_its_colour():
    image = empty_image(6, 4, 2, 0xFF8000)
    assert image.shape == (2, 4, 6, 3)
    torch.testing.assert_close(image[1, 3, 5], torch.tensor([1.0, 128 / 255, 0.0]))
    assert image.is_contiguous()


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "area", "bicubic"])
@pytest.mark.parametrize("size", [(7, 5), (40, 31)])
def test_scaling_is_what_torch_calls_it(method, size):
    theirs = torch.nn.functional.interpolate(NOISE.movedim(-1, 1), (size[1], size[0]), mode=method)
    torch.testing.assert_close(image_scale(NOISE, method, *size), theirs.movedim(1, -1))


def test_lanczos_is_pillows_on_eight_bits():
    pixels = (NOISE[0].numpy() * 255).astype(np.uint8)
    theirs = PillowImage.fromarray(pixels).resize((9, 8), PillowImage.Resampling.LANCZOS)
    ours = image_scale(NOISE, "lanczos", 9, 8)
    assert ours.shape == (2, 8, 9, 3)
    np.testing.assert_allclose(ours[0].numpy(), np.asarray(theirs) / 255, atol=1e-6)


def test_a_missing_side_keeps_the_shape_and_none_keeps_the_picture():
    assert image_scale(NOISE, "area", 10, 0).shape == (2, 6, 10, 3)
    assert image_scale(NOISE, "area", 0, 24).shape == (2, 24, 40, 3)
    assert image_scale(NOISE, "area", 0, 0) is NOISE


def test_cropping_takes_the_middle_first():
    cropped = image_scale(NOISE, "nearest-exact", 12, 12, "center")
    torch.testing.assert_close(cropped, NOISE[:, :, 4:16])
    stretched = image_scale(NOISE, "nearest-exact", 12, 12, "disabled")
    assert not torch.equal(cropped, stretched)


def test_inverting_twice_changes_nothing():
    torch.testing.assert_close(image_invert(image_invert(NOISE)), NOISE)
    assert image_invert(torch.zeros(1, 2, 2, 3)).min() == 1


def test_a_picture_is_laid_over_another_and_cut_at_its_edge():
    result = image_composite_masked(torch.zeros(1, 8, 8, 3), torch.ones(1, 4, 4, 3), x=6, y=2)
    expected = torch.zeros(8, 8)
    expected[2:6, 6:] = 1
    assert torch.equal(result[0, ..., 0], expected)


def test_outside_nothing_is_laid():
    destination = torch.rand(1, 8, 8, 3)
    assert torch.equal(image_composite_masked(destination, torch.ones(1, 4, 4, 3), x=8, y=100), destination)


def test_the_mask_says_how_much_and_is_fitted_to_the_source():
    mask = torch.full((1, 2, 2), 0.25)
    destination = torch.zeros(1, 8, 8, 3)
    result = image_composite_masked(destination, torch.ones(1, 4, 4, 3), mask=mask)
    assert result[0, :4, :4].unique().tolist() == [0.25]
    assert destination.max() == 0


def test_a_single_source_and_mask_serve_a_whole_batch():
    result = image_composite_masked(torch.zeros(3, 4, 4, 3), torch.ones(2, 4, 4, 3), mask=torch.ones(1, 4, 4))
    assert result.min() == 1


def test_the_source_can_be_fitted_to_the_destination():
    result = image_composite_masked(torch.zeros(1, 8, 6, 3), torch.ones(1, 2, 2, 3), resize_source=True)
    assert result.min() == 1


def test_a_source_without_alpha_is_opaque_and_one_with_it_loses_it():
    bare, clear = torch.rand(1, 4, 4, 3), torch.zeros(1, 4, 4, 4)
    assert image_composite_masked(clear, bare).shape == (1, 4, 4, 4)
    assert image_composite_masked(clear, bare)[..., 3].min() == 1
    assert image_composite_masked(bare, clear).shape == (1, 4, 4, 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: image_scale(NOISE, "bilinear", 16_384, 16_384),
        lambda: image_pad_for_outpaint(NOISE, left=16_384),
        lambda: image_stitch(NOISE, image2=torch.zeros(1, 1, 2000, 3)),
    ],
)
def test_sizes_are_bounded(call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.code == "image_too_large"


@pytest.mark.parametrize("method", ["bilinear", "lanczos"])
def test_nothing_cannot_be_left(method):
    with pytest.raises(InputError) as caught:
        image_scale_by(NOISE, method, 0.01)
    assert caught.value.code == "image_too_small"


def test_grain_is_the_same_for_the_same_seed():
    assert torch.equal(image_add_noise(NOISE, 3, 0.5), image_add_noise(NOISE, 3, 0.5))
    assert not torch.equal(image_add_noise(NOISE, 3, 0.5), image_add_noise(NOISE, 4, 0.5))
