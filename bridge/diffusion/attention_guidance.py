"""Guidance away from what the same UNet sees with its self-attention, or its picture, made worse."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from bridge.diffusion.guidance import GuidanceRule, Predictions
from bridge.diffusion.guidance_rules import with_rule
from bridge.diffusion.look import Look, current_look
from bridge.diffusion.patching import require_unet, twin_of, variant
from bridge.diffusion.types import DiffusionModel
from bridge.errors import UnsupportedModel

_BLUR_RADIUS = 4
"""The paper's kernel has nine pixels a side."""

_SMALLEST = 4
"""Latents of this side or less have no room for the kernel."""


@dataclass(frozen=True, slots=True)
class PerturbedAttentionGuidance(GuidanceRule):
    """Away from what is seen when places of the middle block attend to themselves only.

    Source: Ahn et al. 2024, "Self-Rectifying Diffusion Sampling with Perturbed-Attention Guidance".

    Args:
        scale: Weight of the way; 0 is none.
    """

    scale: float

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        """See ``GuidanceRule``."""
        if self.scale == 0:
            return guided
        perturbed = seen.ask(seen.latents, "positive", _perturbed)
        return guided + (seen.positive - perturbed) * self.scale


def add_perturbed_attention_guidance(model: DiffusionModel, scale: float) -> DiffusionModel:
    """Guide a model away from what it sees with its middle block perturbed; see the rule.

    Raises:
        UnsupportedModel: If it is no UNet.
    """
    require_unet(model, "perturbed-attention guidance")
    return with_rule(model, PerturbedAttentionGuidance(scale))


def add_self_attention_guidance(model: DiffusionModel, scale: float, blur_sigma: float) -> DiffusionModel:
    """Guide a model away from what it sees when that is blurred where its middle block looks most.

    Source: Hong et al. 2023, "Improving Sample Quality of Diffusion Models Using Self-Attention Guidance".

    Args:
        model: Stays as it is.
        scale: Weight of the way.
        blur_sigma: Of the Gaussian blur, in latents; 0 blurs nothing.

    Raises:
        UnsupportedModel: If it is no UNet.
    """
    require_unet(model, "self-attention guidance")
    sights = _Sights()
    unet = variant(model.unet, "self-attention guidance", lambda unet: _watched(unet, sights))
    rule = _SelfAttentionGuidance(scale, blur_sigma, sights)
    return with_rule(replace(model, unet=unet), rule)


@dataclass(slots=True, eq=False)
class _Sights:
    """What was looked at last on behalf of the negative prompts; written and read within one turn."""

    look: Look | None = None
    attention: Tensor | None = None  # (B, places): how much all places together looked at each


@dataclass(frozen=True, slots=True, eq=False)
class _SelfAttentionGuidance(GuidanceRule):
    needs_negative: ClassVar[bool] = True

    scale: float
    blur_sigma: float
    sights: _Sights = field(repr=False)

    def after(self, guided: Tensor, seen: Predictions) -> Tensor:
        look, attention = self.sights.look, self.sights.attention
        has_room = min(guided.shape[2:]) > _SMALLEST
        if not (has_room and seen.has_negative and self.blur_sigma) or look is None or attention is None:
            return guided
        mask = _salient(attention, look, seen.negative)
        degraded = torch.lerp(seen.negative, _blurred(seen.negative, self.blur_sigma), mask)
        again = seen.ask(degraded + seen.latents - seen.negative, "negative")
        return guided + (degraded - again) * self.scale


def _salient(attention: Tensor, look: Look, latents: Tensor) -> Tensor:
    """Return where more is looked at than on average, (B, 1, h, w), 0 or 1."""
    height, width = look.height, look.width
    while height * width > attention.shape[1]:
        height, width = -(-height // 2), -(-width // 2)
    mask = (attention > 1.0).to(latents).view(-1, 1, height, width)
    return interpolate(mask, size=latents.shape[2:])


def _blurred(latents: Tensor, sigma: float) -> Tensor:
    places = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=latents.device)
    line = torch.exp(-0.5 * (places / sigma) ** 2)
    line = line / line.sum()
    channels = latents.shape[1]
    kernel = torch.outer(line, line).expand(channels, 1, -1, -1)
    return conv2d(pad(latents, (_BLUR_RADIUS,) * 4, mode="reflect"), kernel, groups=channels)


def _perturbed(unet: Any) -> Any:
    paths = [f"{path}.processor" for path in _middle(unet)]
    twin = twin_of(unet, paths)
    for path in paths:
        twin.get_submodule(path.removesuffix(".processor")).processor = _OwnPlaceOnly()
    return twin


def _watched(unet: Any, sights: _Sights) -> Any:
    first = _middle(unet)[0]
    twin = twin_of(unet, [f"{first}.processor"])
    twin.get_submodule(first).processor = _Watched(sights)
    return twin


def _middle(unet: Any) -> list[str]:
    """Return the self-attentions of the middle block."""
    if unet.config["mid_block_type"] != "UNetMidBlock2DCrossAttn":
        raise UnsupportedModel(
            "this checkpoint's UNet has no attention in its middle, which guidance by attention needs",
            hint="Leave out PerturbedAttentionGuidance and SelfAttentionGuidance with it.",
        )
    blocks = unet.mid_block.attentions[0].transformer_blocks
    return [f"mid_block.attentions.0.transformer_blocks.{index}.attn1" for index in range(len(blocks))]


class _OwnPlaceOnly:
    """An attention processor: each place sees itself."""

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        out: Tensor = attn.to_out[0](attn.to_v(hidden_states))
        return out


@dataclass(frozen=True, slots=True)
class _Watched:
    """An attention processor that remembers where places looked for the first of the negative prompts."""

    sights: _Sights

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        rows, places, _ = hidden_states.shape
        query, key, value = (
            layer(hidden_states).view(rows, places, attn.heads, -1).transpose(1, 2)
            for layer in (attn.to_q, attn.to_k, attn.to_v)
        )
        scores = (query @ key.mT) * attn.scale  # (rows, heads, places, places)
        attention = scores.float().softmax(dim=-1)
        look = current_look()
        if True in look.is_negative:
            pictures = rows // len(look.is_negative)
            first = look.is_negative.index(True) * pictures
            self.sights.look = look
            self.sights.attention = attention[first : first + pictures].mean(1).sum(1)
        out: Tensor = attn.to_out[0]((attention.to(value.dtype) @ value).transpose(1, 2).flatten(2))
        return out
