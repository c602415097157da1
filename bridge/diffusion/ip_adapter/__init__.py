"""IP-Adapter: steering by pictures, through cross-attention of their own (Ye et al. 2023)."""

from bridge.diffusion.ip_adapter.attention import EmbedsScaling
from bridge.diffusion.ip_adapter.embedding import (
    CombineEmbeds,
    Embeds,
    IPAdapter,
    IPAdapterSocket,
    Merging,
    combined,
    embeds_of,
    embeds_of_nothing,
    joined,
    load_ip_adapter,
    merged,
)
from bridge.diffusion.ip_adapter.emphasis import WeightType
from bridge.diffusion.ip_adapter.prompting import Emphasis, add_image_prompt

__all__ = [
    "CombineEmbeds",
    "Embeds",
    "EmbedsScaling",
    "Emphasis",
    "IPAdapter",
    "IPAdapterSocket",
    "Merging",
    "WeightType",
    "add_image_prompt",
    "combined",
    "embeds_of",
    "embeds_of_nothing",
    "joined",
    "load_ip_adapter",
    "merged",
]
