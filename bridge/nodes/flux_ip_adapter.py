"""IP-Adapters for Flux: the nodes of x-flux-comfyui (XLabs) and ComfyUI-IPAdapter-Flux (InstantX)."""

from typing import Annotated, Any, Literal

from bridge.diffusion import Image, Model, find_model, folder_stamps, job_catalogue, model_stamps
from bridge.diffusion.clip_vision import load_clip_vision
from bridge.diffusion.ip_adapter import Emphasis, IPAdapter, add_image_prompt, embeds_of, load_ip_adapter
from bridge.graph import ChoicesFrom, Range, Socket, node
from bridge.models import find_siglip

XLabsAdapter = Annotated[IPAdapter, Socket("IP_ADAPTER_FLUX")]
InstantXAdapter = Annotated[IPAdapter, Socket("IP_ADAPTER_FLUX_INSTANTX")]

_APPLYING_DIFFERS = (
    "Several pictures speak together; a negative prompt goes with a black picture, as in diffusers, and not "
    "with the same one."
)


def siglip_stamp(ipadapter: str) -> Any:
    """Return what changes when the adapter, or a file that may hold SigLIP, does."""
    return folder_stamps("ipadapter-flux", "clip_vision")


@node(
    "LoadFluxIPAdapter",
    category="XLabsNodes",
    display_name="Load Flux IPAdatpter",
    outputs=("ipadapterFlux",),
    fingerprint=model_stamps(ipadatper="xlabs_ipadapters", clip_vision="clip_vision"),
    differs="provider changes nothing: all runs on the daemon's device.",
)
def load_flux_ip_adapter(
    ipadatper: Annotated[str, ChoicesFrom("xlabs_ipadapters")],
    clip_vision: Annotated[str, ChoicesFrom("clip_vision")],
    provider: Literal["CPU", "GPU"],
) -> XLabsAdapter:
    """Open XLabs' IP-Adapter for Flux with its CLIP vision model, OpenAI's ViT-L/14."""
    tower = load_clip_vision(find_model("clip_vision", clip_vision), clip_vision)
    return load_ip_adapter(find_model("xlabs_ipadapters", ipadatper), ipadatper, tower)


@node(
    "ApplyFluxIPAdapter",
    category="XLabsNodes",
    display_name="Apply Flux IPAdapter",
    outputs=("MODEL",),
    differs=_APPLYING_DIFFERS,
)
def apply_flux_ip_adapter(
    model: Model,
    ip_adapter_flux: XLabsAdapter,
    image: Image,
    ip_scale: Annotated[float, Range(0.0, 1.0, 0.001)] = 0.93,
) -> Model:
    """Steer Flux by what pictures show."""
    positive, negative = embeds_of(ip_adapter_flux, None, image)
    return add_image_prompt(model, ip_adapter_flux, positive, negative, Emphasis(ip_scale))


@node(
    "IPAdapterFluxLoader",
    category="InstantXNodes",
    display_name="Load IPAdapter Flux Model",
    outputs=("ipadapterFlux",),
    fingerprint=siglip_stamp,
    differs="SigLIP is found in clip_vision/ by what a file holds, and not downloaded; pickled files (.bin) "
    "are refused; provider changes nothing.",
)
def ip_adapter_flux_loader(
    ipadapter: Annotated[str, ChoicesFrom("ipadapter-flux")],
    clip_vision: Literal["google/siglip-so400m-patch14-384"],
    provider: Literal["cuda", "cpu", "mps"],
) -> InstantXAdapter:
    """Open InstantX's IP-Adapter for Flux with its CLIP vision model, SigLIP."""
    seen_through = find_siglip(job_catalogue())
    tower = load_clip_vision(find_model("clip_vision", seen_through), seen_through)
    return load_ip_adapter(find_model("ipadapter-flux", ipadapter), ipadapter, tower)


@node(
    "ApplyIPAdapterFlux",
    category="InstantXNodes",
    display_name="Apply IPAdapter Flux Model",
    differs=_APPLYING_DIFFERS,
)
def apply_ip_adapter_flux(
    model: Model,
    ipadapter_flux: InstantXAdapter,
    image: Image,
    weight: Annotated[float, Range(-1.0, 5.0, 0.05)] = 1.0,
    start_percent: Annotated[float, Range(0.0, 1.0, 0.001)] = 0.0,
    end_percent: Annotated[float, Range(0.0, 1.0, 0.001)] = 1.0,
) -> Model:
    """Steer Flux by what pictures show, in a part of the run."""
    positive, negative = embeds_of(ipadapter_flux, None, image)
    emphasis = Emphasis(weight, start=start_percent, end=end_percent)
    return add_image_prompt(model, ipadapter_flux, positive, negative, emphasis)
