"""Memory that runs out, at each stage: what was going on, how much was missing, and the next job runs."""

import pytest
from studio import Studio
from transformer_wiring import transformer, with_controlnet
from wiring import (
    Wiring,
    checkpoint,
    controlnet,
    diffusion_model,
    gligen,
    hed,
    image_to_image,
    ip_adapter,
    lora,
    photomaker,
    style_model,
    upscale_model,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")

STAGES: dict[str, tuple[str, Wiring, str, str]] = {
    "reading weights": ("placing", diffusion_model("fresh.safetensors"), "5", 'loading "fresh'),
    "reading a LoRA": ("copying", lora("tiny.safetensors"), "5", 'loading LoRA "tiny'),
    "applying a LoRA": ("patching", lora("tiny.safetensors"), "5", 'loading .*, LoRA "tiny'),
    "prompt": ("CLIPTextModel", checkpoint("tiny.safetensors"), "2", "encoding a prompt"),
    "denoising": ("UNet2DConditionModel", checkpoint("tiny.safetensors"), "5", "denoising 1 × 8×8 latents"),
    "decoding": ("Decoder", checkpoint("tiny.safetensors"), "6", "decoding 64×64 pixels"),
    "encoding": ("Encoder", image_to_image(), "21", "encoding 64×64 pixels"),
    "control image": (
        "ControlNetConditioningEmbedding",
        controlnet("tiny.safetensors"),
        "5",
        "reading a control image",
    ),
    "ControlNet": ("ControlNetModel", controlnet("tiny.safetensors"), "5", "denoising"),
    "CLIP vision": (
        "CLIPVisionModelWithProjection",
        ip_adapter("tiny.safetensors"),
        "23",
        'looking at 1 picture.* with CLIP vision "tiny',
    ),
    "IP-Adapter": ("_Projection", ip_adapter("tiny.safetensors"), "5", 'loading .*, IP-Adapter "tiny'),
    "upscaling": ("CompactNet", upscale_model("tiny.safetensors"), "21", 'enlarging .* model "tiny'),
    "HED": ("HedNet", hed(), "21", "finding edges"),
    "T2I-Adapter": (
        "T2IAdapter",
        with_controlnet(checkpoint("tiny.safetensors"), "t2i.safetensors", vae=None),
        "5",
        "reading a control image",
    ),
    "ControlNet-XS": (
        "ControlledUNet",
        with_controlnet(diffusion_model("deep.safetensors"), "slim", vae=None),
        "5",
        "denoising 1 × 8×8 latents",
    ),
    "GLIGEN": ("GLIGENTextBoundingboxProjection", gligen("tiny.safetensors"), "5", "reading boxes"),
    "style model": ("StyleEncoder", style_model("tiny.safetensors"), "24", "reading a style"),
    "PhotoMaker": ("IdentityEncoder", photomaker("tiny.safetensors"), "21", "looking at a face"),
    "T5": ("T5Stack", transformer("pixart"), "2", "encoding a prompt"),
    "SD3": ("SD3Transformer2DModel", transformer("sd3"), "5", "denoising 1 × 8×8 latents"),
    "Flux": ("FluxTransformer2DModel", transformer("flux"), "5", "denoising 1 × 8×8 latents"),
    "PixArt": ("PixArtTransformer2DModel", transformer("pixart"), "5", "denoising 1 × 8×8 latents"),
    "SD3's ControlNet": (
        "SD3ControlNetModel",
        with_controlnet(transformer("sd3"), "sd3.safetensors"),
        "5",
        "denoising 1 × 8×8 latents",
    ),
    "Flux's ControlNet": (
        "FluxControlNetModel",
        with_controlnet(transformer("flux"), "flux.safetensors"),
        "5",
        "denoising 1 × 8×8 latents",
    ),
}
"""Where memory runs out: the module or function, a workflow that gets there, the node, and what is said."""


@pytest.mark.parametrize("stage", STAGES)
async def test_full_memory_is_told_with_what_was_missing(studio: Studio, stage: str) -> None:
    where, made, node_id, doing = STAGES[stage]
    await studio.run_out_of_memory(where)
    message = f"not enough memory while {doing}.*: 2.50 GiB more were needed, 1.20 GiB were free"
    await studio.refuses(made, "out_of_memory", node_id, message, "close other programs")
    await studio.paint(made)


async def test_what_the_computer_cannot_hold_is_refused_before_it_is_loaded(studio: Studio) -> None:
    await studio.run_out_of_memory("all memory")
    message = "text encoder .* needs [0-9.]+ MB of memory and does not fit: the computer has 2.0 MB"
    await studio.refuses(transformer("pixart"), "model_too_large", "2", message, "a smaller model, or .*fp8")
    await studio.paint(transformer("pixart"))
