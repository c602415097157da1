"""Opening models by the names that the catalogue gives them."""

from typing import Annotated, Any, Literal

from bridge.diffusion import (
    Clip,
    Model,
    StorageDtype,
    Vae,
    find_model,
    load_autoencoder,
    load_checkpoint,
    load_denoiser,
    load_text_encoder,
    model_stamp,
)
from bridge.errors import UnsupportedModel
from bridge.graph import Choices, ChoicesFrom, node

ClipName = Annotated[str, ChoicesFrom("text_encoders")]
ClipDevice = Literal["default", "cpu"]

CLIP_TYPES = (
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos",
    "lumina2", "wan", "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image",
)  # fmt: skip
DUAL_CLIP_TYPES = "sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"


def checkpoint_stamp(ckpt_name: str) -> Any:
    """Return what changes when the file does."""
    return model_stamp("checkpoints", ckpt_name)


def diffusion_model_stamp(unet_name: str) -> Any:
    """Return what changes when the file does."""
    return model_stamp("diffusion_models", unet_name)


def clip_stamp(clip_name: str) -> Any:
    """Return what changes when the file does."""
    return model_stamp("text_encoders", clip_name)


def clip_stamps(clip_name1: str, clip_name2: str) -> Any:
    """Return what changes when one of the files does."""
    return clip_stamp(clip_name1), clip_stamp(clip_name2)


def vae_stamp(vae_name: str) -> Any:
    """Return what changes when the file does."""
    return model_stamp("vae", vae_name)


@node(
    "CheckpointLoaderSimple", category="loaders", display_name="Load Checkpoint", fingerprint=checkpoint_stamp
)
def checkpoint_loader(ckpt_name: Annotated[str, ChoicesFrom("checkpoints")]) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint: its denoiser, text encoder and VAE."""
    return load_checkpoint(find_model("checkpoints", ckpt_name), ckpt_name)


@node(
    "UNETLoader",
    category="advanced/loaders",
    display_name="Load Diffusion Model",
    fingerprint=diffusion_model_stamp,
)
def unet_loader(
    unet_name: Annotated[str, ChoicesFrom("diffusion_models")], weight_dtype: StorageDtype = "default"
) -> Model:
    """Open a diffusion model that is kept apart from text encoder and VAE; fp8 halves its memory."""
    return load_denoiser(find_model("diffusion_models", unet_name), unet_name, weight_dtype)


@node("CLIPLoader", category="advanced/loaders", display_name="Load CLIP", fingerprint=clip_stamp)
def clip_loader(
    clip_name: ClipName,
    type: Annotated[str, Choices(CLIP_TYPES)] = "stable_diffusion",
    device: ClipDevice | None = None,
) -> Clip:
    """Open a text encoder that is kept apart: CLIP-L (SD 1.x), CLIP-H (SD 2.x) or CLIP-G (SDXL refiner)."""
    _require_type(type, "stable_diffusion")
    return load_text_encoder([find_model("text_encoders", clip_name)], [clip_name], on_cpu=device == "cpu")


@node("DualCLIPLoader", category="advanced/loaders", fingerprint=clip_stamps)
def dual_clip_loader(
    clip_name1: ClipName,
    clip_name2: ClipName,
    type: Annotated[str, Choices(DUAL_CLIP_TYPES)] = "sdxl",
    device: ClipDevice | None = None,
) -> Clip:
    """Open SDXL's two text encoders, CLIP-L and CLIP-G, in any order."""
    _require_type(type, "sdxl")
    names = [clip_name1, clip_name2]
    paths = [find_model("text_encoders", name) for name in names]
    return load_text_encoder(paths, names, on_cpu=device == "cpu")


@node("VAELoader", category="loaders", display_name="Load VAE", fingerprint=vae_stamp)
def vae_loader(vae_name: Annotated[str, ChoicesFrom("vae")]) -> Vae:
    """Open a VAE that is kept apart from a checkpoint."""
    return load_autoencoder(find_model("vae", vae_name), vae_name)


def _require_type(type: str, supported: str) -> None:
    if type != supported:
        raise UnsupportedModel(
            f'text encoders of type "{type}" are not supported', hint=f'Choose "{supported}".'
        )
