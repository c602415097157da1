"""What turns image embeddings into tokens beside those of the prompt.

Parameters are named as in the files of https://huggingface.co/h94/IP-Adapter; XLabs' go by other names.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from bridge.models import RESAMPLER_HEAD_WIDTH as HEAD_WIDTH
from bridge.models import XLABS_NAMES, IPAdapterLayout


def empty_adapter(layout: IPAdapterLayout) -> "AdapterNetwork":
    """Build an IP-Adapter without weights."""
    with torch.device("meta"):
        return AdapterNetwork(layout)


def adapter_names(layout: IPAdapterLayout, parameter: str) -> list[str]:
    """Return the names that a parameter has in a file."""
    if layout.flux == "xlabs":
        for part, theirs in XLABS_NAMES.items():
            parameter = parameter.replace(part, theirs)
    return [parameter]


class AdapterNetwork(nn.Module):
    """An IP-Adapter: a projection, and keys and values for each attention.

    Source: Ye et al. 2023, §3.2.
    """

    def __init__(self, layout: IPAdapterLayout) -> None:
        super().__init__()
        self.image_proj: nn.Module = _projection(layout)
        step, first = (1, 0) if layout.flux else (2, 1)
        self.ip_adapter = nn.ModuleDict(
            {
                str(step * index + first): _KeysAndValues(layout, width)
                for index, width in enumerate(layout.layer_widths)
            }
        )

    def tokens(self, embeds: Tensor) -> Tensor:
        """Turn embeddings of pictures into tokens, shape (B, tokens, context width)."""
        tokens: Tensor = self.image_proj(embeds)
        return tokens

    def keys_and_values(self, index: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the attention of a number is to look up; each (B, tokens, layer width)."""
        layer: Any = list(self.ip_adapter.values())[index]
        return layer.to_k_ip(tokens), layer.to_v_ip(tokens)


class _KeysAndValues(nn.Module):
    def __init__(self, layout: IPAdapterLayout, width: int) -> None:
        super().__init__()
        has_bias = layout.flux == "xlabs"
        self.to_k_ip = nn.Linear(layout.context_width, width, bias=has_bias)
        self.to_v_ip = nn.Linear(layout.context_width, width, bias=has_bias)


def _projection(layout: IPAdapterLayout) -> nn.Module:
    match layout.kind:
        case "plus":
            return _Resampler(layout)
        case "full":
            return _Perceptron(layout)
        case "plain" | "deep":
            return _Projection(layout)


class _Projection(nn.Module):
    """From one embedding to a few tokens, by one linear layer or two."""

    def __init__(self, layout: IPAdapterLayout) -> None:
        super().__init__()
        self.tokens = layout.tokens
        made = layout.tokens * layout.context_width
        self.proj: nn.Module = nn.Linear(layout.inner_width or layout.input_width, made)
        if layout.kind == "deep":
            first = nn.Linear(layout.input_width, layout.inner_width)
            self.proj = nn.Sequential(first, nn.GELU(), self.proj)
        self.norm = nn.LayerNorm(layout.context_width)

    def forward(self, embeds: Tensor) -> Tensor:
        tokens: Tensor = self.norm(self.proj(embeds).unflatten(-1, (self.tokens, -1)))
        return tokens


class _Perceptron(nn.Module):
    """From each patch to a token."""

    def __init__(self, layout: IPAdapterLayout) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Linear(layout.input_width, layout.input_width),
            nn.GELU(),
            nn.Linear(layout.input_width, layout.context_width),
            nn.LayerNorm(layout.context_width),
        )

    def forward(self, embeds: Tensor) -> Tensor:
        tokens: Tensor = self.proj(embeds)
        return tokens


class _Resampler(nn.Module):
    """From patches to a few tokens, by learned queries that attend to them.

    Source: Alayrac et al. 2022, §3.1.1 (Perceiver resampler).
    """

    def __init__(self, layout: IPAdapterLayout) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.empty(1, layout.tokens, layout.width))
        self.proj_in = nn.Linear(layout.input_width, layout.width)
        self.proj_out = nn.Linear(layout.width, layout.context_width)
        self.norm_out = nn.LayerNorm(layout.context_width)
        self.layers = nn.ModuleList(
            nn.ModuleList(
                [
                    _LatentAttention(layout.width, layout.heads),
                    nn.Sequential(
                        nn.LayerNorm(layout.width),
                        nn.Linear(layout.width, layout.inner_width, bias=False),
                        nn.GELU(),
                        nn.Linear(layout.inner_width, layout.width, bias=False),
                    ),
                ]
            )
            for _ in range(layout.depth)
        )

    def forward(self, embeds: Tensor) -> Tensor:
        patches = self.proj_in(embeds)
        latents = self.latents.expand(len(embeds), -1, -1)
        layer: Any
        for layer in self.layers:
            attention, feed_forward = layer
            latents = latents + attention(patches, latents)
            latents = latents + feed_forward(latents)
        tokens: Tensor = self.norm_out(self.proj_out(latents))
        return tokens


class _LatentAttention(nn.Module):
    """Latents look at patches and at themselves."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_kv = nn.Linear(width, 2 * heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Linear(heads * HEAD_WIDTH, width, bias=False)

    def forward(self, patches: Tensor, latents: Tensor) -> Tensor:
        latents = self.norm2(latents)
        seen = torch.cat((self.norm1(patches), latents), dim=1)
        query, key, value = (
            each.unflatten(-1, (self.heads, HEAD_WIDTH)).transpose(1, 2)  # (B, heads, N, 64)
            for each in (self.to_q(latents), *self.to_kv(seen).chunk(2, dim=-1))
        )
        attended = scaled_dot_product_attention(query, key, value)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out
