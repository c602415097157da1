"""Enlarging pictures with trained networks."""

from typing import Annotated

from bridge.diffusion import Image, find_model, model_stamps
from bridge.diffusion.upscaling import UpscaleModel, load_upscaler, upscale
from bridge.graph import ChoicesFrom, node


@node(
    "UpscaleModelLoader",
    category="loaders",
    display_name="Load Upscale Model",
    fingerprint=model_stamps(model_name="upscale_models"),
    differs="Pickled models (.pth) are refused; docs/upscaling.md says how to make safetensors of them.",
)
def upscale_model_loader(model_name: Annotated[str, ChoicesFrom("upscale_models")]) -> UpscaleModel:
    """Open a network that enlarges pictures, such as ESRGAN; Real-ESRGAN's are there from the start."""
    return load_upscaler(find_model("upscale_models", model_name), model_name)


@node(
    "ImageUpscaleWithModel",
    category="image/upscaling",
    display_name="Upscale Image (using Model)",
    differs="Alpha is left out; ComfyUI fails there.",
)
async def image_upscale_with_model(upscale_model: UpscaleModel, image: Image) -> Image:
    """Enlarge pictures with a network, adding detail; how much larger is the network's own affair."""
    return await upscale(upscale_model, image)
