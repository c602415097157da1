"""Opening models by the names that the catalogue gives them."""

from typing import Annotated, Literal

from bridge.diffusion import (
    TEXT_ENCODER_TYPES,
    Clip,
    Model,
    StorageDtype,
    Vae,
    find_model,
    load_autoencoder,
    load_checkpoint,
    load_denoiser,
    load_text_encoder,
    model_stamps,
)
from bridge.errors import UnsupportedModel
from bridge.graph import Choices, ChoicesFrom, EditorOption, Omissible, node

ClipName = Annotated[str, ChoicesFrom("text_encoders")]
ClipDevice = Annotated[Literal["default", "cpu"], Omissible(), EditorOption("advanced")]

CLIP_TYPES = (
    "stable_diffusion", "stable_cascade", "sd3", "stable_audio", "mochi", "ltxv", "pixart", "cosmos",
    "lumina2", "wan", "hidream", "chroma", "ace", "omnigen2", "qwen_image", "hunyuan_image",
)  # fmt: skip
OTHER_CLIPS = "Text encoders that do not belong to the type are refused, and so are types of other families."
DUAL_CLIP_TYPES = "sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"


@node(
    "CheckpointLoaderSimple",
    category="loaders",
    display_name="Load Checkpoint",
    fingerprint=model_stamps(ckpt_name="checkpoints"),
    differs="Diffusers folders open too; pickled files (.ckpt), depth-to-image checkpoints and those trained "
    "with EDM's noise are refused.",
)
def checkpoint_loader(ckpt_name: Annotated[str, ChoicesFrom("checkpoints")]) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint: its denoiser, text encoder and VAE."""
    return load_checkpoint(find_model("checkpoints", ckpt_name), ckpt_name)


@node(
    "UNETLoader",
    category="advanced/loaders",
    display_name="Load Diffusion Model",
    fingerprint=model_stamps(unet_name="diffusion_models"),
    differs="fp8_e4m3fn_fast stores weights as fp8_e4m3fn does and multiplies them no faster.",
)
def unet_loader(
    unet_name: Annotated[str, ChoicesFrom("diffusion_models")], weight_dtype: StorageDtype = "default"
) -> Model:
    """Open a diffusion model that is kept apart from text encoder and VAE; fp8 halves its memory."""
    return load_denoiser(find_model("diffusion_models", unet_name), unet_name, weight_dtype)


@node(
    "CLIPLoader",
    category="advanced/loaders",
    display_name="Load CLIP",
    fingerprint=model_stamps(clip_name="text_encoders"),
    differs=OTHER_CLIPS,
)
def clip_loader(
    clip_name: ClipName,
    type: Annotated[str, Choices(CLIP_TYPES)] = "stable_diffusion",
    device: ClipDevice = "default",
) -> Clip:
    """Open a text encoder that is kept apart: CLIP-L (SD 1.x), CLIP-H (SD 2.x) or CLIP-G (SDXL refiner).

    As "sd3" any of CLIP-L, CLIP-G and T5-XXL, which does without the other two; as "pixart" T5-XXL.
    """
    return _load([clip_name], type, on_cpu=device == "cpu")


@node(
    "DualCLIPLoader",
    category="advanced/loaders",
    fingerprint=model_stamps(clip_name1="text_encoders", clip_name2="text_encoders"),
    differs=OTHER_CLIPS,
)
def dual_clip_loader(
    clip_name1: ClipName,
    clip_name2: ClipName,
    type: Annotated[str, Choices(DUAL_CLIP_TYPES)] = "sdxl",
    device: ClipDevice = "default",
) -> Clip:
    """Open two text encoders, in any order: SDXL's are CLIP-L and CLIP-G, Flux's CLIP-L and T5-XXL.

    As "sd3" any two of CLIP-L, CLIP-G and T5-XXL.
    """
    return _load([clip_name1, clip_name2], type, on_cpu=device == "cpu")


@node(
    "TripleCLIPLoader",
    category="advanced/loaders",
    fingerprint=model_stamps(
        clip_name1="text_encoders", clip_name2="text_encoders", clip_name3="text_encoders"
    ),
    differs=OTHER_CLIPS,
)
def triple_clip_loader(clip_name1: ClipName, clip_name2: ClipName, clip_name3: ClipName) -> Clip:
    """Open Stable Diffusion 3's three text encoders, CLIP-L, CLIP-G and T5-XXL, in any order."""
    return _load([clip_name1, clip_name2, clip_name3], "sd3", on_cpu=False)


@node(
    "VAELoader",
    category="loaders",
    display_name="Load VAE",
    fingerprint=model_stamps(vae_name="vae"),
    differs="Pickled files (.pt, .pth, .ckpt) are refused.",
)
def vae_loader(vae_name: Annotated[str, ChoicesFrom("vae")]) -> Vae:
    """Open a VAE that is kept apart from a checkpoint; taesd, taesd3 … are two files in ``vae_approx``."""
    return load_autoencoder(find_model("vae", vae_name), vae_name)


def _load(names: list[str], type: str, *, on_cpu: bool) -> Clip:
    if type not in TEXT_ENCODER_TYPES:
        raise UnsupportedModel(
            f'text encoders of type "{type}" are not supported',
            hint=f"Choose one of: {', '.join(TEXT_ENCODER_TYPES)}.",
        )
    return load_text_encoder(
        [find_model("text_encoders", name) for name in names], names, type, on_cpu=on_cpu
    )
