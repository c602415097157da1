"""SD3, Flux and PixArt with what they do without, and with what does not belong to them."""

import pytest
from studio import Studio
from transformer_wiring import (
    transformer,
    with_change,
    with_controlnet,
    with_lora,
    with_picture,
    with_texts,
)
from wiring import Node, Wiring, checkpoint, picture

pytestmark = pytest.mark.asyncio(loop_scope="package")

SD3, FLUX, PIXART = transformer("sd3"), transformer("flux"), transformer("pixart")
UNET = checkpoint("tiny.safetensors")
SIZE = {"width": 64, "height": 64, "batch_size": 1}
SHOWN = {"clip_vision_output": ["45", 0], "strength": 1.0, "noise_augmentation": 0.0}
SKIPPED = {"layers": "0", "scale": 3.0, "start_percent": 0.0, "end_percent": 1.0}
UNET_CHANGES = {
    "FreeU": {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2},
    "HyperTile": {"tile_size": 256, "swap_size": 2, "max_depth": 0, "scale_depth": False},
    "PerturbedAttentionGuidance": {"scale": 3.0},
    "SelfAttentionGuidance": {"scale": 0.5, "blur_sigma": 2.0},
    "UNetSelfAttentionMultiply": {"q": 1.0, "k": 1.0, "v": 1.0, "out": 1.1},
}
"""Nodes that change a UNet from within, and their inputs."""


def of_odd_size(type: str) -> Wiring:
    """Ask for a picture whose sides are no multiples of 16, in latents of four channels."""
    return transformer(type, latents=("EmptyLatentImage", {"width": 72, "height": 56, "batch_size": 1}))


def encoded_by(vae: list[object]) -> dict[str, Node]:
    return {"41": picture(64, 64), "33": ("VAEEncode", {"pixels": ["41", 0], "vae": vae})}


WITHOUT: dict[str, Wiring] = {
    "SD3": SD3,
    "SD3 without CLIP-G": transformer("sd3", clips=["tiny", "t5"]),
    "SD3 without CLIP-L": transformer("sd3", clips=["t5", "clip_g"]),
    "SD3 without T5": transformer("sd3", clips=["tiny", "clip_g"]),
    "SD3 with CLIP-L alone": transformer("sd3", clips=["tiny"]),
    "SD3 with CLIP-G alone": transformer("sd3", clips=["clip_g"]),
    "SD3 with T5 alone": transformer("sd3", clips=["t5"]),
    "SD3 checkpoint without T5": checkpoint("sd3.safetensors"),
    "Flux": FLUX,
    "Flux with empty latents of 4 channels": transformer("flux", latents=("EmptyLatentImage", SIZE)),
    "SD 1.x with empty latents of 16 channels": (
        {"33": ("EmptySD3LatentImage", SIZE)},
        {"n5_latent_image": ["33", 0]},
    ),
    "PixArt": PIXART,
    **{f"{type} in an odd size": of_odd_size(type) for type in ("sd3", "flux", "pixart")},
}
TEXT_ENCODERS: dict[str, tuple[Wiring, str, str, str, str]] = {
    "a file that is not there": (
        transformer("sd3", clips=["tiny", "clip_g", "t5xxl_fp16"]),
        "model_not_found",
        "31",
        'clip_name3 asks for "t5xxl_fp16.safetensors", which is not in text_encoders/',
        "put the file in text_encoders/",
    ),
    "one twice": (
        transformer("sd3", clips=["tiny", "tiny", "t5"]),
        "model_unsupported",
        "31",
        '"tiny.* is clip_l and "tiny.* is clip_l and "t5.* is t5xxl; .* each once',
        "other files",
    ),
    "SD3 without any": (
        checkpoint("sd3-alone.safetensors"),
        "model_incomplete",
        "2",
        r'"sd3-alone.* brings no text encoder \(clip_l and clip_g and t5xxl\)',
        "TripleCLIPLoader",
    ),
    "Flux checkpoint with CLIP-L only": (
        checkpoint("flux-in-part.safetensors"),
        "model_incomplete",
        "2",
        r'"flux-in-part.* brings no text encoder \(t5xxl\)',
        "DualCLIPLoader",
    ),
    "Flux with CLIP-L only": (
        transformer("flux", clips=["tiny", "tiny"]),
        "model_unsupported",
        "31",
        'type "flux" are clip_l and t5xxl: t5xxl is missing',
        "t5xxl_fp16.safetensors",
    ),
    "Flux with T5 only": (
        transformer("flux", clips=["t5", "t5"]),
        "model_unsupported",
        "31",
        'type "flux" are clip_l and t5xxl: clip_l is missing',
        "clip_l.safetensors",
    ),
    "T5 in CLIP's slot": (
        with_texts(["t5"], "stable_diffusion"),
        "model_unsupported",
        "31",
        '"t5.* is t5xxl; text encoders of type "stable_diffusion" are clip_l',
        '"sd3" or "pixart"',
    ),
    "T5's prompts for SD 1.x": (
        with_texts(["t5"], "pixart"),
        "model_mismatch",
        "5",
        r'another kind of checkpoint .* than checkpoint "tiny.* \(Stable Diffusion 1\.x\)',
        "CLIP output of the same checkpoint",
    ),
    "CLIP-L's prompts for Flux": (
        transformer("stable_diffusion", model="flux", clips=["tiny"], vae="sixteen"),
        "model_mismatch",
        "5",
        r'another kind of checkpoint \(Stable Diffusion 1\.x\) than diffusion model "flux.* \(Flux\)',
        "CLIP output of the same checkpoint",
    ),
    "SD3's prompts for Flux": (
        transformer("sd3", model="flux"),
        "model_mismatch",
        "5",
        '"flux.* is of the family Flux .* has one of width 2048, not 768',
        "CLIP output of the same checkpoint",
    ),
    "Flux's prompts for SD3": (
        transformer("flux", model="sd3"),
        "model_mismatch",
        "5",
        '"sd3.* is of the family Stable Diffusion 3 .* has one of width 768, not 2048',
        "CLIP output of the same checkpoint",
    ),
    "PixArt's prompts for SD3": (
        transformer("pixart", model="sd3", vae="sixteen"),
        "model_mismatch",
        "5",
        '"sd3.* needs the pooled embedding of its prompts; the positive conditioning has none',
        "CLIP output of the same checkpoint",
    ),
}
"""What is wrong → a workflow, code, node, message and hint."""

OTHER_FAMILIES: dict[str, tuple[Wiring, str, str, str, str]] = {
    "Flux LoRA on SD3": (
        with_lora(SD3, "of-flux"),
        "model_mismatch",
        "40",
        '"of-flux.* is a LoRA for Flux; diffusion model "sd3.* belongs to Stable Diffusion 3',
        "LoRA and a checkpoint of the same family",
    ),
    "SD3 LoRA on Flux": (
        with_lora(FLUX, "of-sd3"),
        "model_mismatch",
        "40",
        '"of-sd3.* is a LoRA for Stable Diffusion 3; diffusion model "flux.* belongs to Flux',
        "LoRA and a checkpoint of the same family",
    ),
    "Flux LoRA on SD 1.x": (
        with_lora(UNET, "of-flux"),
        "model_mismatch",
        "40",
        r'"of-flux.* is a LoRA for Flux; checkpoint "tiny.* belongs to Stable Diffusion 1\.x',
        "LoRA and a checkpoint of the same family",
    ),
    "SDXL LoRA on SD3": (
        with_lora(SD3, "sdxl"),
        "model_mismatch",
        "40",
        '"sdxl.* is a LoRA for SDXL; diffusion model "sd3.* belongs to Stable Diffusion 3',
        "LoRA and a checkpoint of the same family",
    ),
    "SD LoRA on Flux": (
        with_lora(FLUX, "tiny"),
        "model_mismatch",
        "40",
        '"tiny.* changes nothing in this checkpoint',
        "another LoRA",
    ),
    "SD VAE on Flux": (
        transformer("flux", vae="tiny"),
        "model_mismatch",
        "6",
        'the latents have 16 channels, VAE of "tiny.* works on 4',
        "VAE of the checkpoint that made them",
    ),
    "Flux VAE on SD 1.x": (
        ({"32": ("VAELoader", {"vae_name": "sixteen.safetensors"})}, {"n6_vae": ["32", 0]}),
        "model_mismatch",
        "6",
        'the latents have 4 channels, VAE of "sixteen.* works on 16',
        "VAE of the checkpoint that made them",
    ),
    "a picture from the SD VAE for Flux": (
        (FLUX[0] | encoded_by(["1", 2]), FLUX[1]),
        "bad_input",
        "5",
        "the latents have 4 channels, the checkpoint works on 16",
        "VAE of this checkpoint",
    ),
    "Flux ControlNet on SD3": (
        with_controlnet(SD3, "flux.safetensors"),
        "model_mismatch",
        "5",
        'ControlNet "flux.* was made for Flux; diffusion model "sd3.* is Stable Diffusion 3',
        "ControlNet and a checkpoint of the same family",
    ),
    "SD3 ControlNet on Flux": (
        with_controlnet(FLUX, "sd3.safetensors"),
        "model_mismatch",
        "5",
        'ControlNet "sd3.* was made for Stable Diffusion 3; diffusion model "flux.* is Flux',
        "ControlNet and a checkpoint of the same family",
    ),
    "SD ControlNet on SD3": (
        with_controlnet(SD3, "tiny.safetensors"),
        "model_mismatch",
        "5",
        r'ControlNet "tiny.* was made for Stable Diffusion 1\.x; diffusion model "sd3.* is .* 3',
        "ControlNet and a checkpoint of the same family",
    ),
    "SD3 ControlNet without VAE": (
        with_controlnet(SD3, "sd3.safetensors", vae=None),
        "bad_input",
        "42",
        'ControlNet "sd3.* sees latents of its picture, for which there is no VAE',
        "connect its vae",
    ),
    "SD3 ControlNet with the SD VAE": (
        with_controlnet(SD3, "sd3.safetensors", vae=("1", 2)),
        "model_mismatch",
        "42",
        'sees latents of 16 channels, VAE of "tiny.* makes 4',
        "VAE of the checkpoint that it steers",
    ),
    "a picture to go by for SD3": (
        with_picture(SD3, "ReferenceLatent", latent=["42", 0]),
        "model_unsupported",
        "5",
        r'a picture to go by \(ReferenceLatent\), which diffusion model "sd3',
        "Remove that node",
    ),
    "pictures for Flux": (
        with_picture(FLUX, "unCLIPConditioning", **SHOWN),
        "model_unsupported",
        "5",
        r'pictures \(unCLIPConditioning\), which diffusion model "flux',
        "Remove that node",
    ),
    "layers to skip in a UNet": (
        with_change(UNET, "SkipLayerGuidanceSD3", **SKIPPED),
        "model_unsupported",
        "40",
        'only SD3 and Flux have layers that guidance can leave out; checkpoint "tiny',
        "PerturbedAttentionGuidance",
    ),
    "positions for larger pictures than SD3's": (
        transformer("sd3", latents=("EmptySD3LatentImage", SIZE | {"width": 256})),
        "image_too_large",
        "5",
        '"sd3.* makes pictures of up to 96×96, not 256×64',
        "smaller picture",
    ),
}
"""The same for what belongs to other families."""


@pytest.mark.parametrize("name", WITHOUT)
async def test_what_can_be_done_without_is_done_without(studio: Studio, name: str) -> None:
    assert (await studio.paint(WITHOUT[name])).finished.problems == ()


@pytest.mark.parametrize("name", TEXT_ENCODERS)
async def test_a_text_encoder_that_is_missing_or_another_is_named(studio: Studio, name: str) -> None:
    await studio.refuses(*TEXT_ENCODERS[name])


@pytest.mark.parametrize("name", OTHER_FAMILIES)
async def test_what_belongs_to_another_family_is_refused_with_both_named(studio: Studio, name: str) -> None:
    await studio.refuses(*OTHER_FAMILIES[name])


@pytest.mark.parametrize("kind", UNET_CHANGES)
@pytest.mark.parametrize("made", [SD3, FLUX, PIXART], ids=["sd3", "flux", "pixart"])
async def test_what_changes_a_unet_is_refused_by_transformers(
    studio: Studio, made: Wiring, kind: str
) -> None:
    changed = with_change(made, kind, **UNET_CHANGES[kind])
    message = 'works on UNets, diffusion model ".*" .* is a transformer'
    await studio.refuses(changed, "model_unsupported", "40", message, "Leave the node out")


@pytest.mark.parametrize(
    "made",
    [
        transformer("flux", weight_dtype="fp8_e4m3fn"),
        transformer("flux", weight_dtype="fp8_e4m3fn_fast"),
        transformer("flux", model="flux-fp8", clips=["tiny", "t5-fp8"]),
    ],
    ids=["on demand", "and fast", "two files"],
)
async def test_eight_bits_are_told_once(studio: Studio, made: Wiring) -> None:
    for _ in range(2):
        warning = await studio.warning(made)
        assert warning.code == "device_widens_eight_bits"
        assert warning.node_id in made[0]
        assert "weights in fp8 are widened to float32 on cpu" in warning.message
