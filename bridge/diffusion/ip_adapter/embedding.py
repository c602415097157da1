"""IP-Adapters, and what they see in pictures."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor

from bridge import models
from bridge.diffusion.clip_vision import VisionTower, encode_pictures
from bridge.diffusion.device import Placement
from bridge.diffusion.ip_adapter.projection import AdapterNetwork, adapter_names, empty_adapter
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network
from bridge.errors import InputError, ModelError
from bridge.graph import Socket
from bridge.models import VISION_KINDS_BY_PROJECTION, VISION_KINDS_BY_WIDTH, IPAdapterLayout

CombineEmbeds = Literal["concat", "add", "subtract", "average", "norm average"]
"""How several pictures become one image prompt. By the names of ComfyUI_IPAdapter_plus."""

Merging = Literal["add", "subtract", "average", "norm average", "max", "min"]


@dataclass(frozen=True, slots=True, eq=False)
class IPAdapter:
    """An IP-Adapter, perhaps with the CLIP vision model it belongs to.

    Args:
        network: Its weights.
        layout: Its shape.
        name: What the user calls it, for messages.
        vision: What it sees pictures through; ``None`` where the user gives it apart.
    """

    network: Network[AdapterNetwork]
    layout: IPAdapterLayout
    name: str
    vision: VisionTower | None = None


IPAdapterSocket = Annotated[IPAdapter, Socket("IPADAPTER")]
Embeds = Annotated[Tensor, Socket("EMBEDS")]
"""What CLIP vision says of pictures, as an IP-Adapter reads it: (B, width), or (B, positions, width)."""


def load_ip_adapter(path: Path, name: str, vision: VisionTower | None = None) -> IPAdapter:
    """Open an IP-Adapter.

    Raises:
        ModelError: If it is damaged, unsafe, or no IP-Adapter.
        UnsupportedModel: If it needs face embeddings, is for Stable Diffusion 3.5, or is of an unknown shape.
    """
    layout = models.ip_adapter(models.read_header(path), path.name)
    build, names = functools.partial(empty_adapter, layout), functools.partial(adapter_names, layout)
    place = Placement.for_transformer if layout.flux else Placement.unchanged
    network = open_network(f'IP-Adapter "{name}"', build, path, names, place=place)
    return IPAdapter(network, layout, name, vision)


def embeds_of(
    adapter: IPAdapter,
    vision: VisionTower | None,
    image: Tensor,
    negative: Tensor | None = None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Look at pictures as an IP-Adapter wants it.

    Args:
        adapter: Decides which of CLIP's outputs it is.
        vision: ``None`` for the one that came with the adapter.
        image: Shape (B, H, W, 3), range 0..1.
        negative: What not to paint, as ``image``; ``None`` for nothing, or for a black picture where the
            adapter reads hidden states or is for Flux.
        mask: What to see of ``image``, shape (B, H, W), the last one of all pictures that have none of
            their own; the rest is grey.

    Returns:
        Embeddings of ``image`` and ``negative``, of equal number.

    Raises:
        InputError: If there is no CLIP vision model.
        ModelError: Code ``model_mismatch`` if it is another than the adapter was trained with.
    """
    tower = require_vision(adapter, vision)
    positive = _seen(adapter, tower, image, mask)
    if negative is None:
        return positive, _nothing(adapter, tower, positive)
    return positive, sized(_seen(adapter, tower, negative), len(positive))


def embeds_of_nothing(adapter: IPAdapter, vision: VisionTower | None, positive: Tensor) -> Tensor:
    """Return what stands against embeddings where nothing else was said, of their number.

    Raises:
        InputError: If CLIP vision is needed, and there is none.
    """
    tower = None if _has_empty_embedding(adapter) else require_vision(adapter, vision)
    return _nothing(adapter, tower, positive)


def combined(positive: Tensor, negative: Tensor, method: CombineEmbeds) -> tuple[Tensor, Tensor]:
    """Make one of the embeddings of several pictures, unless their tokens are to stand side by side."""
    if method == "concat" or len(positive) == 1:
        return positive, negative
    return merged(positive, method), negative[:1]


def joined(embeds: Sequence[Tensor]) -> Tensor:
    """Put the embeddings of several image prompts into one batch.

    Raises:
        InputError: If they were made for different kinds of IP-Adapters.
    """
    shapes = {tuple(each.shape[1:]) for each in embeds}
    if len(shapes) > 1:
        raise InputError(
            "the embeddings were made for different kinds of IP-Adapters",
            hint="Encode all pictures with the IP-Adapter that they will be applied with.",
        )
    return torch.cat(tuple(embeds))


def merged(
    embeds: Tensor, method: Literal["add", "subtract", "average", "norm average", "max", "min"]
) -> Tensor:
    """Make one of several embeddings, shape (1, …).

    ``subtract`` takes the mean of the others from the first; ``norm average`` divides each channel by its
    norm over all pictures, unless that is 0.
    """
    match method:
        case "add":
            return embeds.sum(0, keepdim=True)
        case "subtract":
            return embeds[:1] - (embeds[1:].mean(0, keepdim=True) if len(embeds) > 1 else 0.0)
        case "average":
            return embeds.mean(0, keepdim=True)
        case "norm average":
            norms: Tensor = torch.linalg.vector_norm(embeds, dim=0, keepdim=True)
            return (embeds / norms.where(norms > 0, 1.0)).mean(0, keepdim=True)
        case "max":
            return embeds.amax(0, keepdim=True)
        case "min":
            return embeds.amin(0, keepdim=True)


def require_vision(adapter: IPAdapter, vision: VisionTower | None) -> VisionTower:
    """Return the CLIP vision model that an adapter sees through.

    Raises:
        InputError: If there is none.
        ModelError: Code ``model_mismatch`` if it is another than the adapter was trained with.
    """
    tower = vision or adapter.vision
    known = VISION_KINDS_BY_PROJECTION if adapter.layout.kind == "plain" else VISION_KINDS_BY_WIDTH
    wanted = known.get(adapter.layout.input_width, "another CLIP vision model")
    if tower is None:
        otherwise = "" if adapter.layout.flux else ", or use IPAdapterUnifiedLoader"
        raise InputError(
            f'IP-Adapter "{adapter.name}" needs a CLIP vision model',
            hint=f"Connect clip_vision to a CLIPVisionLoader with {wanted}{otherwise}.",
        )
    is_projected = adapter.layout.kind == "plain" and not tower.layout.is_siglip
    width = tower.layout.projection if is_projected else tower.layout.width
    if width != adapter.layout.input_width:
        raise ModelError(
            f'IP-Adapter "{adapter.name}" reads embeddings of width {adapter.layout.input_width} ({wanted}), '
            f'CLIP vision "{tower.name}" ({tower.layout.kind}) gives {width}',
            code="model_mismatch",
            hint=f"Load {wanted} with CLIPVisionLoader.",
        )
    if adapter.layout.kind == "deep" and not tower.layout.has_head:
        raise ModelError(
            f'CLIP vision "{tower.name}" lacks its head, whose embedding IP-Adapter "{adapter.name}" reads',
            code="model_incomplete",
            hint="Get the version of it that has vision_model.head, as sigclip_vision_patch14_384.",
        )
    return tower


def _seen(adapter: IPAdapter, tower: VisionTower, image: Tensor, mask: Tensor | None = None) -> Tensor:
    if mask is not None:
        mask = sized(mask, len(image))
    # SigLIP was trained on squeezed pictures, CLIP on their middle.
    output = encode_pictures(tower, image, crops=not tower.layout.is_siglip, mask=mask)
    if adapter.layout.kind == "plain":
        return output.image_embeds
    if output.pooled is not None:
        return output.pooled
    return output.penultimate_hidden_states


def _has_empty_embedding(adapter: IPAdapter) -> bool:
    """Whether zeros stand for no picture, as the adapter was trained; XLabs' and InstantX's take black."""
    return adapter.layout.kind == "plain" and not adapter.layout.flux


def _nothing(adapter: IPAdapter, tower: VisionTower | None, positive: Tensor) -> Tensor:
    if tower is None or _has_empty_embedding(adapter):
        return torch.zeros_like(positive)
    black = torch.zeros(1, tower.layout.image_size, tower.layout.image_size, 3)
    return sized(_seen(adapter, tower, black), len(positive))


def sized(batch: Tensor, count: int) -> Tensor:
    """Return ``count`` of a batch: the first ones, the last repeated where there are too few."""
    missing = max(count - len(batch), 0)
    return torch.cat((batch, batch[-1:].expand(missing, *batch.shape[1:])))[:count]
