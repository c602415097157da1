"""Memory that runs out, at each stage: what was going on, how much was missing, and the next job runs."""

import pytest
from studio import Studio
from wiring import (
    Wiring,
    checkpoint,
    controlnet,
    diffusion_model,
    hed,
    image_to_image,
    ip_adapter,
    lora,
    upscale_model,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAGES: dict[str, tuple[str, Wiring, str, str]] = {
    "reading weights": ("copying", diffusion_model("fresh.safetensors"), "5", 'loading "fresh'),
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
}
"""Where memory runs out: the module or function, a workflow that gets there, the node, and what is said."""


@pytest.mark.parametrize("stage", STAGES)
async def test_full_memory_is_told_with_what_was_missing(studio: Studio, stage: str) -> None:
    where, made, node_id, doing = STAGES[stage]
    await studio.run_out_of_memory(where)
    message = f"not enough memory while {doing}.*: 2.50 GiB more were needed, 1.20 GiB were free"
    await studio.refuses(made, "out_of_memory", node_id, message, "close other programs")
    await studio.paint(made)
