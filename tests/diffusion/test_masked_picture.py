"""Pictures with a part masked out."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bridge.diffusion import Autoencoder, encode_image, encode_inpainting, encode_masked, with_noise_mask
from bridge.diffusion.masked_picture import fit_masked, grey_out, grow
from bridge.engine import Job, running
from bridge.errors import InputError, Problem

IMAGE = torch.rand(1, 16, 24, 3, generator=torch.Generator().manual_seed(1))
MASK = torch.zeros(1, 16, 24)
MASK[:, 4:12, 6:18] = 0.8
AsNode = Callable[[Any], Any]


@pytest.mark.parametrize(
    ("size", "rows", "columns"),
    [
        (0, (5, 5), (6, 6)),
        (1, (5, 5), (6, 6)),
        (3, (4, 6), (5, 7)),
        (6, (3, 8), (4, 9)),
        (9, (1, 9), (2, 10)),
    ],
)
def test_a_pixel_grows_to_a_square(size: int, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    dot = torch.zeros(1, 1, 12, 12)
    dot[0, 0, 5, 6] = 1.0
    square = torch.zeros(1, 1, 12, 12)
    square[0, 0, rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = 1.0
    assert torch.equal(grow(dot, size), square)


def test_what_is_selected_becomes_grey() -> None:
    hidden = grey_out(IMAGE, MASK[:, None])
    assert bool((hidden[:, 4:12, 6:18] == 0.5).all())
    torch.testing.assert_close(hidden[:, :4], IMAGE[:, :4])


def test_both_are_cropped_around_the_centre() -> None:
    image, mask = fit_masked(torch.rand(1, 21, 26, 4), torch.rand(1, 21, 26), 8)
    assert image.shape == (1, 16, 24, 3)
    assert mask.shape == (1, 1, 16, 24)
    whole = torch.arange(21.0)[None, :, None].expand(1, 21, 26)
    assert fit_masked(torch.rand(1, 21, 26, 3), whole, 8)[1][0, 0, 0, 0] == 2


@pytest.mark.parametrize(("size", "is_told"), [((8, 12), False), ((10, 5), True)])
def test_a_mask_of_another_size_is_stretched_and_other_proportions_are_told(
    job: Job, size: tuple[int, int], is_told: bool
) -> None:
    told: list[Problem] = []
    with running(job, "3", told):
        _, mask = fit_masked(IMAGE, torch.ones(1, *size), 8)
        with_noise_mask({"samples": torch.zeros(1, 4, 2, 3)}, torch.ones(1, *size))
    torch.testing.assert_close(mask, torch.ones(1, 1, 16, 24))
    words = "the mask is 5×10, and is stretched to the proportions of 24×16"
    assert [each.message for each in told] == ([words] * 2 if is_told else [])


def test_masks_must_be_as_many_as_pictures() -> None:
    with pytest.raises(InputError, match="2 masks for 3 pictures") as caught:
        fit_masked(torch.rand(3, 16, 24, 3), torch.ones(2, 16, 24), 8)
    assert caught.value.input_name == "mask"


async def test_latents_to_be_filled_are_those_of_the_grey_picture(vae: Autoencoder, as_node: AsNode) -> None:
    latents = await as_node(encode_masked(vae, IMAGE, MASK, 3))
    hidden = grey_out(IMAGE, MASK[:, None])
    torch.testing.assert_close(latents["samples"], await as_node(encode_image(vae, hidden)))
    assert torch.equal(latents["noise_mask"], grow(MASK[:, None].round(), 3))


async def test_an_inpainting_has_both_pictures_and_the_mask_unrounded(
    vae: Autoencoder, as_node: AsNode
) -> None:
    found = await as_node(encode_inpainting(vae, IMAGE, MASK))
    torch.testing.assert_close(found.latents, await as_node(encode_image(vae, IMAGE)))
    assert not torch.allclose(found.latents, found.masked_latents)
    assert torch.equal(found.mask, MASK[:, None])


async def test_an_empty_mask_is_told_and_means_what_it_says(vae: Autoencoder, job: Job) -> None:
    told: list[Problem] = []
    with running(job, "3", told):
        latents = with_noise_mask({"samples": torch.zeros(1, 4, 2, 3)}, torch.zeros(1, 16, 24))
        await encode_inpainting(vae, IMAGE, torch.zeros(1, 16, 24))
        await encode_masked(vae, IMAGE, 0.4 * MASK, 0)  # it selects from a half on
    assert latents["noise_mask"].shape == (1, 1, 16, 24)
    assert [(each.code, each.input_name) for each in told] == [("empty_mask", "mask")] * 3
