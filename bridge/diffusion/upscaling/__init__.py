"""Enlarging pictures with ESRGAN, Real-ESRGAN and other networks."""

from bridge.diffusion.upscaling.enlarging import upscale
from bridge.diffusion.upscaling.loading import UpscaleModel, Upscaler, load_upscaler

__all__ = ["UpscaleModel", "Upscaler", "load_upscaler", "upscale"]
