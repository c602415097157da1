"""unCLIP: checkpoints that are shown pictures beside the prompt."""

from dataclasses import replace
from typing import Annotated

from bridge.diffusion import (
    Clip,
    Conditioning,
    Model,
    PicturePrompt,
    Vae,
    find_model,
    load_checkpoint,
    model_stamps,
)
from bridge.diffusion.clip_vision import ClipVision, ClipVisionOutput, vision_of_checkpoint
from bridge.graph import ChoicesFrom, Range, Tooltip, node


@node(
    "unCLIPCheckpointLoader",
    category="loaders",
    fingerprint=model_stamps(ckpt_name="checkpoints"),
    differs="Refuses checkpoints without an image encoder. See CheckpointLoaderSimple for other files.",
)
def unclip_checkpoint_loader(
    ckpt_name: Annotated[str, ChoicesFrom("checkpoints")],
) -> tuple[Model, Clip, Vae, ClipVision]:
    """Open an unCLIP checkpoint: its denoiser, text encoder, VAE and image encoder."""
    path = find_model("checkpoints", ckpt_name)
    return *load_checkpoint(path, ckpt_name), vision_of_checkpoint(path, ckpt_name)


@node(
    "unCLIPConditioning",
    category="conditioning",
    differs="Refused by checkpoints that take no pictures (Stable Diffusion 1 and plain 2), which ignore it "
    "in ComfyUI.",
)
def unclip_conditioning(
    conditioning: Conditioning,
    clip_vision_output: ClipVisionOutput,
    strength: Annotated[
        float, Range(-10.0, 10.0, 0.01), Tooltip("How strongly the pictures are followed; 0 is not at all.")
    ] = 1.0,
    noise_augmentation: Annotated[
        float, Range(0.0, 1.0, 0.01), Tooltip("How freely the pictures are followed; 0 is closely.")
    ] = 0.0,
) -> Conditioning:
    """Show pictures to an unCLIP checkpoint, or to SDXL, beside the prompt; several may follow each other."""
    if strength == 0:
        return conditioning
    shown = PicturePrompt(clip_vision_output.image_embeds, strength, noise_augmentation)
    return tuple(replace(prompt, pictures=(*prompt.pictures, shown)) for prompt in conditioning)
