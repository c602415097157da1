"""Opening models by the names that the catalogue gives them."""

from typing import Annotated, Any

from bridge.builtin import model_folder
from bridge.diffusion import (
    Clip,
    ControlNet,
    Model,
    Vae,
    load_autoencoder,
    load_checkpoint,
    load_controlnet,
)
from bridge.engine import current_job
from bridge.graph import ChoicesFrom, node
from bridge.models import Catalogue


def _catalogue() -> Catalogue:
    return Catalogue(current_job().folders.models, model_folder())


def checkpoint_stamp(ckpt_name: str) -> Any:
    """Return what changes when the file does."""
    return _catalogue().stamp("checkpoints", ckpt_name)


def vae_stamp(vae_name: str) -> Any:
    """Return what changes when the file does."""
    return _catalogue().stamp("vae", vae_name)


def controlnet_stamp(control_net_name: str) -> Any:
    """Return what changes when the file does."""
    return _catalogue().stamp("controlnet", control_net_name)


@node(
    "CheckpointLoaderSimple", category="loaders", display_name="Load Checkpoint", fingerprint=checkpoint_stamp
)
def checkpoint_loader(ckpt_name: Annotated[str, ChoicesFrom("checkpoints")]) -> tuple[Model, Clip, Vae]:
    """Open a checkpoint: its denoiser, text encoder and VAE."""
    return load_checkpoint(_catalogue().find("checkpoints", ckpt_name), ckpt_name)


@node("VAELoader", category="loaders", display_name="Load VAE", fingerprint=vae_stamp)
def vae_loader(vae_name: Annotated[str, ChoicesFrom("vae")]) -> Vae:
    """Open a VAE that is kept apart from a checkpoint."""
    return load_autoencoder(_catalogue().find("vae", vae_name), vae_name)


@node(
    "ControlNetLoader", category="loaders", display_name="Load ControlNet Model", fingerprint=controlnet_stamp
)
def controlnet_loader(control_net_name: Annotated[str, ChoicesFrom("controlnet")]) -> ControlNet:
    """Open a ControlNet."""
    return load_controlnet(_catalogue().find("controlnet", control_net_name), control_net_name)
