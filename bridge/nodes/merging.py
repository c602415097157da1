"""Mixing the weights of models, and saving models with the workflow inside."""

import asyncio
import functools
from collections.abc import Callable
from typing import Annotated

from torch import Tensor

from bridge.diffusion import (
    Clip,
    Model,
    Vae,
    autoencoder_state,
    block_shares,
    checkpoint_state,
    merge_models,
    merge_text_encoders,
    tower_state,
    write_state,
)
from bridge.engine import current_job
from bridge.graph import ExtraJson, Prefix, Range, WorkflowJson, node
from bridge.imaging import output_stem, take_number, workflow_texts, writing_to

Ratio = Annotated[float, Range(0.0, 1.0, 0.01)]
Multiplier = Annotated[float, Range(-10.0, 10.0, 0.01)]

CATEGORY = "advanced/model_merging"
ONE_FAMILY = (
    "Models of different families or with other layers are refused; ComfyUI mixes what they have in common."
)
NO_MODELSPEC = "The file holds the workflow, but none of ComfyUI's modelspec texts."


@node("ModelMergeSimple", category=CATEGORY, differs=ONE_FAMILY)
def model_merge_simple(model1: Model, model2: Model, ratio: Ratio = 1.0) -> Model:
    """Mix two models of a family: at 1 it is the first, at 0 the second."""
    return merge_models(model1, model2, block_shares({"": ratio}))


@node("ModelMergeBlocks", category=CATEGORY, differs=ONE_FAMILY)
def model_merge_blocks(
    model1: Model, model2: Model, input: Ratio = 1.0, middle: Ratio = 1.0, out: Ratio = 1.0
) -> Model:
    """Mix two models of a family with a share of the first for its first, middle and last layers."""
    return merge_models(model1, model2, block_shares({"input": input, "middle": middle, "out": out}))


@node("ModelMergeAdd", category=CATEGORY, differs=ONE_FAMILY)
def model_merge_add(model1: Model, model2: Model) -> Model:
    """Add the weights of two models, of which one is usually a difference."""
    return merge_models(model1, model2, lambda name: (1.0, 1.0))


@node("ModelMergeSubtract", category=CATEGORY, differs=ONE_FAMILY)
def model_merge_subtract(model1: Model, model2: Model, multiplier: Multiplier = 1.0) -> Model:
    """Take what distinguishes the first model from the second, several times over."""
    return merge_models(model1, model2, lambda name: (multiplier, -multiplier))


@node("CLIPMergeSimple", category=CATEGORY, differs=ONE_FAMILY)
def clip_merge_simple(clip1: Clip, clip2: Clip, ratio: Ratio = 1.0) -> Clip:
    """Mix two text encoders of a family: at 1 it is the first, at 0 the second."""
    return merge_text_encoders(clip1, clip2, (ratio, 1.0 - ratio))


@node("CLIPMergeAdd", category=CATEGORY, differs=ONE_FAMILY)
def clip_merge_add(clip1: Clip, clip2: Clip) -> Clip:
    """Add the weights of two text encoders, of which one is usually a difference."""
    return merge_text_encoders(clip1, clip2, (1.0, 1.0))


@node("CLIPMergeSubtract", category=CATEGORY, differs=ONE_FAMILY)
def clip_merge_subtract(clip1: Clip, clip2: Clip, multiplier: Multiplier = 1.0) -> Clip:
    """Take what distinguishes the first text encoder from the second, several times over."""
    return merge_text_encoders(clip1, clip2, (multiplier, -multiplier))


@node(
    "CheckpointSave",
    category=CATEGORY,
    display_name="Save Checkpoint",
    is_output=True,
    differs=NO_MODELSPEC,
)
async def checkpoint_save(
    model: Model,
    clip: Clip,
    vae: Vae,
    filename_prefix: Prefix = "checkpoints/ComfyUI",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save denoiser, text encoder and VAE in one file, with LoRAs and mixes worked in."""
    await _save(lambda: checkpoint_state(model, clip, vae), filename_prefix, prompt, extra_pnginfo)


@node("ModelSave", category=CATEGORY, is_output=True, differs=NO_MODELSPEC)
async def model_save(
    model: Model,
    filename_prefix: Prefix = "diffusion_models/ComfyUI",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save a denoiser alone, with LoRAs and mixes worked in."""
    await _save(lambda: checkpoint_state(model, None, None), filename_prefix, prompt, extra_pnginfo)


@node("CLIPSave", category=CATEGORY, is_output=True)
async def clip_save(
    clip: Clip,
    filename_prefix: Prefix = "clip/ComfyUI",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save each of a text encoder's towers in a file, named after its kind."""
    for tower in clip.towers:
        prefix = f"{filename_prefix}_{tower.kind}"
        await _save(functools.partial(tower_state, tower), prefix, prompt, extra_pnginfo)


@node("VAESave", category=CATEGORY, is_output=True)
async def vae_save(
    vae: Vae,
    filename_prefix: Prefix = "vae/ComfyUI_vae",
    prompt: WorkflowJson = None,
    extra_pnginfo: ExtraJson = None,
) -> None:
    """Save a VAE."""
    await _save(lambda: autoencoder_state(vae), filename_prefix, prompt, extra_pnginfo)


async def _save(
    state: Callable[[], dict[str, Tensor]], prefix: str, prompt: WorkflowJson, extra: ExtraJson
) -> None:
    """Write tensors below the output folder: gathered in this job's turn, written off the event loop."""
    job = current_job()
    stem = output_stem(job.folders.output, prefix)
    texts = workflow_texts(prompt, extra)
    async with job.step():
        tensors = state()

    def write() -> None:
        temporary = write_state(tensors, stem.parent, texts)
        if job.is_cancelled:  # meanwhile; nobody waits for this thread any more
            temporary.unlink()
        else:
            take_number(temporary, stem, ".safetensors")

    with writing_to(stem.parent):
        await asyncio.to_thread(write)
