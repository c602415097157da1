"""Steering a model by what pictures show."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.device import Placement
from bridge.diffusion.ip_adapter.attention import (
    CrossAttention,
    EmbedsScaling,
    FittedMask,
    Hint,
    HintedAttention,
    cross_attentions,
    with_hints,
)
from bridge.diffusion.ip_adapter.embedding import IPAdapter, sized
from bridge.diffusion.ip_adapter.emphasis import Voice, WeightType, voice
from bridge.diffusion.ip_adapter.joint_attention import HintedJointAttention, joint_attentions, normed
from bridge.diffusion.residency import Network
from bridge.diffusion.types import DiffusionModel
from bridge.errors import InputError, ModelError
from bridge.models import UNET_FAMILIES, Family


@dataclass(frozen=True, slots=True, eq=False)
class Emphasis:
    """How, when and where pictures steer.

    Args:
        weight: Of what they say; 1 is as trained, negative is away from it.
        weight_type: How weight is spread over the network.
        scaling: What weight multiplies.
        start: Fraction of the noise schedule at which they begin, 0..1.
        end: Fraction at which they end.
        mask: Where they speak, shape (B, H, W), range 0..1; ``None`` for everywhere.
    """

    weight: float = 1.0
    weight_type: WeightType = "linear"
    scaling: EmbedsScaling = "V only"
    start: float = 0.0
    end: float = 1.0
    mask: Tensor | None = None


def add_image_prompt(
    model: DiffusionModel, adapter: IPAdapter, positive: Tensor, negative: Tensor, emphasis: Emphasis
) -> DiffusionModel:
    """Return a model that is steered by one image prompt more.

    Args:
        model: Stays as it is, and shares its weights.
        adapter: What makes tokens of embeddings.
        positive: Embeddings of what to paint; tokens of several stand side by side.
        negative: Embeddings for the side of the negative prompt.
        emphasis: How they steer.

    Raises:
        ModelError: Code ``model_mismatch`` if the adapter was made for another family.
        InputError: If embeddings are not what the adapter reads, the mask is empty, or the weight type or
            the scaling is made for another network.
    """
    _require_match(model, adapter)
    _require_readable(adapter, positive, negative)
    _require_area(emphasis.mask)
    _require_scaling(adapter, emphasis)
    attentions = _attentions(model, adapter)
    count = 1 + max(each.transformer for each in attentions)
    voices = {
        index: speaks
        for index, each in enumerate(attentions)
        if (speaks := voice(emphasis.weight_type, emphasis.weight, each.transformer, count, each.part)).weight
    }
    if not voices:
        return model
    prompt = _ImagePrompt(
        adapter,
        (positive, sized(negative, len(positive))),
        emphasis,
        (model.schedule.sigma_at(emphasis.start), model.schedule.sigma_at(emphasis.end)),
        {attentions[index].path: (index, speaks) for index, speaks in voices.items()},
    )
    base: Network[Any] = model.unet
    network = Network(
        f"{base.name}, {adapter.network.name}",
        functools.partial(_build, base, prompt),
        base.shapes,
        needs=(base,),
        new_bytes=prompt.new_bytes,
        nbytes=prompt.nbytes,
    )
    return replace(model, unet=network)


@dataclass(frozen=True, slots=True, eq=False)
class _ImagePrompt:
    """What a network with one image prompt more is built from.

    Args:
        adapter: What makes tokens of embeddings.
        embeds: For positive prompts, and for negative ones.
        emphasis: How they steer.
        sigmas: Noise levels at which they begin and end.
        voices: Path of an attention → its number, and how strongly they speak there.
    """

    adapter: IPAdapter
    embeds: tuple[Tensor, Tensor]
    emphasis: Emphasis
    sigmas: tuple[float, float]
    voices: Mapping[str, tuple[int, Voice]]

    @property
    def new_bytes(self) -> int:
        """What keys and values take."""
        layout = self.adapter.layout
        tokens = len(self.embeds[0]) * (layout.tokens or self.embeds[0].shape[1])
        widths = sum(layout.layer_widths[index] for index, _ in self.voices.values())
        return 4 * tokens * widths * self.adapter.network.placement.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """What embeddings and mask take."""
        mask = self.emphasis.mask
        return sum(each.nbytes for each in self.embeds) + (0 if mask is None else mask.nbytes)

    @torch.inference_mode()
    def hints(self, base: Network[Any], where: Placement) -> dict[str, Hint]:
        """Compute what it says to a network, once for all steps."""
        module = self.adapter.network.module()
        embeds = torch.cat(self.embeds).to(where.device, where.dtype)
        tokens = module.tokens(embeds)
        tokens = tokens.reshape(2, -1, tokens.shape[2])  # (2, pictures · tokens, width)
        mask = None
        if self.emphasis.mask is not None:
            mask = FittedMask(self.emphasis.mask.to(where.device, where.dtype))
        flux, found = self.adapter.layout.flux, {}
        for path, (index, speaks) in self.voices.items():
            keys, values = module.keys_and_values(index, _for(speaks, tokens))
            if flux == "instantx":
                head_width = base.shapes["transformer_blocks.0.attn.norm_q.weight"][0]
                keys, values = normed(keys, head_width), normed(values, head_width)
            hint = Hint(keys, values, *self.sigmas, mask, is_projected=flux != "xlabs")
            found[path] = hint.weighted(speaks.weight, self.emphasis.scaling)
        return found


def _build(base: Network[Any], prompt: _ImagePrompt, where: Placement) -> Any:
    processor = HintedJointAttention if prompt.adapter.layout.flux else HintedAttention
    hints = prompt.hints(base, where)  # before the base, for which the adapter may have to make room
    return with_hints(base.module(), hints, processor)


def _for(speaks: Voice, tokens: Tensor) -> Tensor:
    """An inverted picture is the negative prompt's; the positive one gets nothing."""
    return torch.stack((torch.zeros_like(tokens[0]), tokens[0])) if speaks.is_inverted else tokens


def _attentions(model: DiffusionModel, adapter: IPAdapter) -> list[CrossAttention]:
    """Return where the adapter speaks in a network; nowhere if it was made for other families."""
    flux, shapes = adapter.layout.flux, model.unet.shapes
    if flux:
        return joint_attentions(shapes, flux) if model.family is Family.FLUX else []
    return cross_attentions(shapes) if model.family in UNET_FAMILIES else []


def _require_match(model: DiffusionModel, adapter: IPAdapter) -> None:
    layout = adapter.layout
    shapes = [model.unet.shapes[f"{each.path}.to_k.weight"] for each in _attentions(model, adapter)]
    contexts = {layout.context_width} if layout.flux else {shape[1] for shape in shapes}
    widths = tuple(shape[0] for shape in shapes)
    if shapes and widths == layout.layer_widths and contexts == {layout.context_width}:
        return
    made_for = layout.family.value if layout.family else f"prompt embeddings of width {layout.context_width}"
    same = made_for == model.family.value
    raise ModelError(
        f'IP-Adapter "{adapter.name}" was made for {made_for}, {model.unet.name} is '
        + (f"a {model.family.value} of other layers" if same else model.family.value),
        code="model_mismatch",
        hint="Choose an IP-Adapter and a checkpoint of the same family.",
    )


def _require_readable(adapter: IPAdapter, positive: Tensor, negative: Tensor) -> None:
    layout = adapter.layout
    rank = 2 if layout.kind in ("plain", "deep") else 3
    for embeds, name in ((positive, "pos_embed"), (negative, "neg_embed")):
        if (embeds.ndim, embeds.shape[-1], embeds.shape[1:]) != (
            rank,
            layout.input_width,
            positive.shape[1:],
        ):
            kind = "one embedding" if rank == 2 else "hidden states"
            raise InputError(
                f'IP-Adapter "{adapter.name}" reads {kind} of width {layout.input_width} for each picture; '
                f"{name} has the shape {'×'.join(map(str, embeds.shape))}",
                hint="Embed pictures with IPAdapterEncoder and the IP-Adapter that they are applied with.",
                input_name=name,
            )


def _require_scaling(adapter: IPAdapter, emphasis: Emphasis) -> None:
    if adapter.layout.flux and emphasis.scaling.endswith("w/ C penalty"):
        raise InputError(
            f'the scaling "{emphasis.scaling}" reckons with the widths of a UNet, and Flux is none',
            hint='Choose "V only" or "K+V".',
        )


def _require_area(mask: Tensor | None) -> None:
    if mask is not None and not bool((mask > 0).any()):
        raise InputError(
            "the mask of the image prompt is empty: the picture would steer nothing",
            hint="Paint the mask where the picture is to steer, or disconnect attn_mask.",
        )
