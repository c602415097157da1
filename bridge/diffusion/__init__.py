"""Diffusion itself: loading, text, schedules, samplers, denoiser, VAE and ControlNets, on torch."""

import bridge.diffusion.offline  # noqa: F401 - before the model libraries
from bridge.diffusion.control import add_control
from bridge.diffusion.device import Placement, choose_placement, memory_errors, set_up_torch
from bridge.diffusion.latent_file import read_latents, write_latents
from bridge.diffusion.loading import load_autoencoder, load_checkpoint, load_controlnet
from bridge.diffusion.networks import LATENT_FACTOR
from bridge.diffusion.residency import Network, free, loaded_networks, placement, set_placement
from bridge.diffusion.samplers import SAMPLERS
from bridge.diffusion.sampling import Settings, sample
from bridge.diffusion.sigmas import SCHEDULERS, NoiseSchedule, make_sigmas
from bridge.diffusion.text import encode_prompt, set_last_layer
from bridge.diffusion.types import (
    Area,
    Autoencoder,
    Clip,
    Conditioning,
    Control,
    ControlNet,
    ControlNetwork,
    DiffusionModel,
    Image,
    Latent,
    LatentBatch,
    Mask,
    MicroConditioning,
    Model,
    Prompt,
    Region,
    TextEncoder,
    TextTower,
    Vae,
)
from bridge.diffusion.vae import decode_latents, encode_image

__all__ = [
    "LATENT_FACTOR",
    "SAMPLERS",
    "SCHEDULERS",
    "Area",
    "Autoencoder",
    "Clip",
    "Conditioning",
    "Control",
    "ControlNet",
    "ControlNetwork",
    "DiffusionModel",
    "Image",
    "Latent",
    "LatentBatch",
    "Mask",
    "MicroConditioning",
    "Model",
    "Network",
    "NoiseSchedule",
    "Placement",
    "Prompt",
    "Region",
    "Settings",
    "TextEncoder",
    "TextTower",
    "Vae",
    "add_control",
    "choose_placement",
    "decode_latents",
    "encode_image",
    "encode_prompt",
    "free",
    "load_autoencoder",
    "load_checkpoint",
    "load_controlnet",
    "loaded_networks",
    "make_sigmas",
    "memory_errors",
    "placement",
    "read_latents",
    "sample",
    "set_last_layer",
    "set_placement",
    "set_up_torch",
    "write_latents",
]
