"""Cross-attention that looks at pictures besides the prompt, and putting it into a network.

out = Attention(Q, K, V) + Σ weight · Attention(Q, K', V'), with keys and values of each image prompt
apart. Source: Ye et al. 2023, §3.2.2 (decoupled cross-attention).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention

from bridge.diffusion.ip_adapter.emphasis import Part
from bridge.diffusion.look import Look, current_look
from bridge.diffusion.patching import twin_of

EmbedsScaling = Literal["V only", "K+V", "K+V w/ C penalty", "K+mean(V) w/ C penalty"]
"""What weight multiplies. By the names of ComfyUI_IPAdapter_plus."""

_FULL_WIDTH = 1280
"""Channels at which the C penalty is none: those of the coarsest level of Stable Diffusion."""

_PARTS: dict[str, Part] = {"down_blocks": "input", "mid_block": "middle", "up_blocks": "output"}
_FILE_ORDER = ("down_blocks", "up_blocks", "mid_block")
_RUN_ORDER = ("down_blocks", "mid_block", "up_blocks")


@dataclass(frozen=True, slots=True)
class CrossAttention:
    """An attention that image prompts speak in.

    Args:
        path: Of the module.
        transformer: Number of the transformer it belongs to, as the network runs them.
        part: Where that stands in a UNet; ``None`` in Flux.
    """

    path: str
    transformer: int
    part: Part | None


class FittedMask:
    """Where an image prompt speaks, at the resolutions of the UNet's levels.

    Args:
        mask: Shape (B, H, W), range 0..1, on the device; covers the whole picture.
    """

    def __init__(self, mask: Tensor) -> None:
        self._mask = mask
        self._fitted: dict[tuple[int, int], Tensor] = {}

    def at(self, look: Look, count: int) -> Tensor:
        """Return it for ``count`` places of a look's latents, shape (B, count)."""
        height, width = look.height, look.width
        while height * width > count:
            height, width = -(-height // 2), -(-width // 2)
        if (height, width) not in self._fitted:
            fitted = interpolate(self._mask[:, None], size=(height, width), mode="bilinear")
            self._fitted[height, width] = fitted.flatten(1)
        return self._fitted[height, width]


@dataclass(frozen=True, slots=True, eq=False)
class Hint:
    """What one image prompt says in one cross-attention, while start ≥ sigma ≥ end.

    Args:
        keys: Shape (2, tokens, width): for positive prompts, and for negative ones.
        values: As ``keys``.
        start: Noise level.
        end: Noise level.
        mask: Where it speaks; ``None`` for everywhere.
        is_projected: Whether what it says goes through the attention's last layer.
    """

    keys: Tensor
    values: Tensor
    start: float
    end: float
    mask: FittedMask | None
    is_projected: bool = True

    def weighted(self, weight: float, scaling: EmbedsScaling) -> "Hint":
        """Return it with a weight, which keys and values carry from then on."""
        if scaling.endswith("w/ C penalty"):
            weight *= self.keys.shape[2] / _FULL_WIDTH
        if scaling == "K+mean(V) w/ C penalty":
            mean = self.values.mean(dim=1, keepdim=True)
            return replace(self, keys=self.keys * weight, values=self.values - mean + mean * weight)
        keys = self.keys if scaling == "V only" else self.keys * weight
        return replace(self, keys=keys, values=self.values * weight)

    def attended(self, query: Tensor, look: Look, within: range | None = None) -> Tensor:
        """Return what it adds, of the shape of ``query``: (rows, heads, places, channels).

        Args:
            query: Of all that looks at it.
            look: The network's.
            within: Which places are the picture's, where others look too; a mask holds for these only.
        """
        rows, heads, places, channels = query.shape
        prompts = len(look.is_negative)
        key, value = (
            torch.stack([each[int(is_negative)] for is_negative in look.is_negative])
            .repeat_interleave(rows // prompts, 0)
            .reshape(rows, -1, heads, channels)
            .transpose(1, 2)
            for each in (self.keys, self.values)
        )
        out = scaled_dot_product_attention(query, key, value)
        if self.mask is None:
            return out
        within = within or range(places)
        mask = pad(self.mask.at(look, len(within)), (within.start, places - within.stop))
        pictures = rows // prompts
        mask = torch.cat((mask, mask[-1:].expand(max(pictures - len(mask), 0), -1)))[:pictures]
        return out * mask.repeat(prompts, 1)[:, None, :, None]


class HintedAttention:
    """The attention processor of a cross-attention that image prompts speak in."""

    def __init__(self, hints: tuple[Hint, ...]) -> None:
        self.hints = hints

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """Attend to the prompt and to image prompts; shapes as in diffusers."""
        assert encoder_hidden_states is not None, "this is cross-attention"
        assert attention_mask is None, "prompts are not masked"
        rows = len(hidden_states)
        query, key, value = (
            each.view(rows, each.shape[1], attn.heads, -1).transpose(1, 2)  # (rows, heads, places, channels)
            for each in (
                attn.to_q(hidden_states),
                attn.to_k(encoder_hidden_states),
                attn.to_v(encoder_hidden_states),
            )
        )
        out = scaled_dot_product_attention(query, key, value)
        look = current_look()
        for hint in self.hints:
            if hint.start >= look.sigma >= hint.end:
                out = out + hint.attended(query, look)
        result: Tensor = attn.to_out[0](out.transpose(1, 2).flatten(2))
        return result


def cross_attentions(names: Iterable[str]) -> list[CrossAttention]:
    """List a UNet's cross-attentions in the order in which IP-Adapters number them.

    That is the order of diffusers' modules: encoder, decoder, middle.

    Args:
        names: Of the UNet's parameters.
    """
    paths = [name.removesuffix(".to_k.weight") for name in names if name.endswith(".attn2.to_k.weight")]
    transformers = list(dict.fromkeys(map(_transformer, sorted(paths, key=_order(_RUN_ORDER)))))
    return [
        CrossAttention(path, transformers.index(_transformer(path)), _PARTS[path.split(".")[0]])
        for path in sorted(paths, key=_order(_FILE_ORDER))
    ]


def with_hints(network: Any, hints: Mapping[str, Hint], processor: Callable[[tuple[Hint, ...]], Any]) -> Any:
    """Return a network that shares everything with another but has image prompts in some attentions.

    Args:
        network: Stays as it is; it may have image prompts itself.
        hints: Path of an attention → what is said there.
        processor: Makes of all that is said in an attention what runs there.
    """
    twin = twin_of(network, [f"{path}.processor" for path in hints])
    for path, hint in hints.items():
        attention = twin.get_submodule(path)
        mine = getattr(attention.processor, "hints", ())
        attention.processor = processor((*mine, hint))
    return twin


def _transformer(path: str) -> str:
    return path.split(".transformer_blocks.")[0]


def _order(blocks: tuple[str, ...]) -> Any:
    def key(path: str) -> tuple[int, tuple[int, ...]]:
        return blocks.index(path.split(".")[0]), tuple(map(int, re.findall(r"\.(\d+)", path)))

    return key
