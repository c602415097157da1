"""Sizes and masks that do not work, or work to no effect."""

import pytest
from studio import Studio
from wiring import Wiring, mask, picture

pytestmark = pytest.mark.asyncio(loop_scope="package")

FROM_LATENTS = {"n5_latent_image": ["22", 0]}
MASKED: dict[str, Wiring] = {
    "VAEEncodeForInpaint": (
        {
            "20": picture(64, 64),
            "22": (
                "VAEEncodeForInpaint",
                {"pixels": ["20", 0], "vae": ["1", 2], "mask": ["21", 0], "grow_mask_by": 6},
            ),
        },
        FROM_LATENTS,
    ),
    "InpaintModelConditioning": (
        {
            "20": picture(64, 64),
            "22": (
                "InpaintModelConditioning",
                {
                    "positive": ["2", 0],
                    "negative": ["3", 0],
                    "vae": ["1", 2],
                    "pixels": ["20", 0],
                    "mask": ["21", 0],
                    "noise_mask": True,
                },
            ),
        },
        {"n5_latent_image": ["22", 2]},
    ),
    "SetLatentNoiseMask": (
        {"22": ("SetLatentNoiseMask", {"samples": ["4", 0], "mask": ["21", 0]})},
        FROM_LATENTS,
    ),
    "ConditioningSetMask": (
        {
            "22": (
                "ConditioningSetMask",
                {
                    "conditioning": ["2", 0],
                    "mask": ["21", 0],
                    "strength": 1.0,
                    "set_cond_area": "default",
                },
            )
        },
        {"n5_positive": ["22", 0]},
    ),
}
"""Nodes that take the mask of node 21."""

TWO_MASKS = {
    "30": picture(64, 64, count=2),
    "21": ("ImageToMask", {"image": ["30", 0], "channel": "red"}),
}


@pytest.mark.parametrize(
    ("made", "code", "node_id", "message", "hint"),
    [
        (({}, {"n4_width": 8}), "out_of_range", "4", "width must be 16…16384, got 8", "512"),
        (({}, {"n4_height": 20_000}), "out_of_range", "4", "height must be .*, got 20000", "512"),
        (
            ({}, {"n4_width": 16_384, "n4_height": 16_384, "n4_batch_size": 64}),
            "image_too_large",
            "4",
            "64 pictures of 16384×16384",
            "smaller size or batch",
        ),
        (
            (
                {"20": picture(4, 4), "22": ("VAEEncode", {"pixels": ["20", 0], "vae": ["1", 2]})},
                FROM_LATENTS,
            ),
            "bad_input",
            "22",
            "a picture of 4×4 is too small",
            "8×8",
        ),
    ],
    ids=["too small", "too large", "too many", "less than a latent"],
)
async def test_a_size_that_cannot_be_is_refused(
    studio: Studio, made: Wiring, code: str, node_id: str, message: str, hint: str
) -> None:
    await studio.refuses(made, code, node_id, message, hint)


@pytest.mark.parametrize("node", MASKED)
async def test_an_empty_mask_is_told(studio: Studio, node: str) -> None:
    warning = await studio.warning(_with(node, {"21": mask(0.0, 64, 64)}))
    assert (warning.code, warning.node_id, warning.input_name) == ("empty_mask", "22", "mask")
    assert "InvertMask" in warning.hint


@pytest.mark.parametrize("node", MASKED)
async def test_a_mask_of_other_proportions_is_stretched_and_told(studio: Studio, node: str) -> None:
    warning = await studio.warning(_with(node, {"21": mask(1.0, 64, 32)}))
    # That of a prompt is stretched where the picture's size is known.
    assert (warning.code, warning.node_id) == (
        "mask_mismatch",
        "5" if node == "ConditioningSetMask" else "22",
    )
    assert "is 64×32, and is stretched to the proportions of 64×64" in warning.message


@pytest.mark.parametrize("node", MASKED)
async def test_a_mask_of_half_the_size_is_as_good(studio: Studio, node: str) -> None:
    nodes, changes = _with(node, {"21": mask(1.0, 32, 32)})
    assert (await studio.paint((nodes, changes))).finished.problems == ()


@pytest.mark.parametrize("node", ["VAEEncodeForInpaint", "InpaintModelConditioning"])
async def test_more_masks_than_pictures_are_refused(studio: Studio, node: str) -> None:
    message = "there are 2 masks for 1 picture"
    await studio.refuses(_with(node, TWO_MASKS), "bad_input", "22", message, "one for each picture")


def _with(node: str, more: dict[str, tuple[str, dict[str, object]]]) -> Wiring:
    nodes, changes = MASKED[node]
    return nodes | more, changes
