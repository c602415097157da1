"""Flux: dev and schnell, Kontext, and the models that see a picture beside the noise (fill, depth, canny).

Latents go through it in patches of 2×2. Source: Black Forest Labs' reference implementation (Apache-2.0) and
"FLUX.1 Kontext" (2025), §3; how several references are laid out is ComfyUI's.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from bridge.diffusion.backbones.backbone import Backbone, Extras, Outset, refuse_pictures, refuse_references
from bridge.diffusion.backbones.flux_channels import flux_channels, to_network
from bridge.diffusion.backbones.patches import padded, places, to_latents, to_tokens
from bridge.diffusion.backbones.style_bias import joint_bias, style_bias
from bridge.diffusion.fit import repeat_to
from bridge.diffusion.libraries import diffusers_embeddings
from bridge.diffusion.micro import pooled_of
from bridge.diffusion.patching import twin_of
from bridge.diffusion.steering import Steering, Step, residuals
from bridge.diffusion.types import DiffusionModel, Prompt

PATCH = 2


class FluxBackbone(Backbone):
    """A ``FluxTransformer2DModel``."""

    exact: ClassVar[frozenset[str]] = frozenset({"guidance", "reference_places"})

    def latent_channels(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        channels: int = config["out_channels"] or config["in_channels"]
        return channels // PATCH**2

    def context_width(self, config: Mapping[str, Any]) -> int:
        """As of the base class."""
        width: int = config["joint_attention_dim"]
        return width

    def extras(
        self, prompt: Prompt, model: DiffusionModel, outset: Outset, *, is_negative: bool
    ) -> dict[str, Tensor]:
        """As of the base class: pooled embedding, distilled guidance, weights of tokens, references."""
        config = model.unet.module().config
        refuse_pictures(prompt, model)
        if _channels_taken(model) != self.latent_channels(config):
            refuse_references(prompt, model)
        width = config["pooled_projection_dim"]
        extras = {"pooled_projections": pooled_of(prompt, model, is_negative=is_negative, width=width)}
        if prompt.guidance is not None:  # for ControlNets also where the model itself is told none
            extras["guidance"] = torch.tensor([prompt.guidance])
        if (bias := style_bias(prompt)) is not None:
            extras["style_bias"] = bias
        if prompt.references:
            extras |= _references(prompt, model, outset.shape[2:])
        return extras

    def channels(self, prompt: Prompt, model: DiffusionModel, outset: Outset) -> Tensor | None:
        """As of the base class."""
        return flux_channels(prompt, model, outset, _channels_taken(model))

    def likeness(self, prompt_embeds: Tensor, extras: Extras) -> Hashable:
        """As of the base class: as many tokens, references of one size, guidance and weights or none."""
        there = extras.get("reference_places")
        laid_out = None if there is None else tuple(there.flatten().tolist())
        return prompt_embeds.shape[1], laid_out, "guidance" in extras, "style_bias" in extras

    def predict(self, network: Any, step: Step, steering: Sequence[Steering], sigma: float) -> Tensor:
        """As of the base class."""
        sample, extras, device = step.sample, step.extras, step.sample.device
        height, width = sample.shape[2:]
        if step.channels is not None:
            sample = torch.cat((sample, step.channels), dim=1)
        tokens, there = read_latents(sample)
        count = tokens.shape[1]
        if "reference_tokens" in extras:
            tokens = torch.cat((tokens, extras["reference_tokens"]), dim=1)
            there = torch.cat((there, extras["reference_places"][0]))
        added = residuals([each for each in steering if each.is_active(sigma)], step)
        guidance = extras.get("guidance") if network.config["guidance_embeds"] else None
        attention = {}
        if "style_bias" in extras:
            attention["attention_mask"] = joint_bias(extras["style_bias"], tokens.shape[1])
        prediction: Tensor = exactly_told(network, step.timestep, guidance)(
            hidden_states=tokens,
            encoder_hidden_states=step.prompt_embeds,
            pooled_projections=extras["pooled_projections"],
            timestep=step.timestep / 1000,
            img_ids=there,
            txt_ids=torch.zeros(step.prompt_embeds.shape[1], 3, device=device),
            guidance=guidance,
            joint_attention_kwargs=attention,
            controlnet_block_samples=_padded(added.blocks, tokens.shape[1]),
            controlnet_single_block_samples=_padded(added.single_blocks, tokens.shape[1]),
            return_dict=False,
        )[0]
        return to_latents(prediction[:, :count], -(-height // PATCH), PATCH)[:, :, :height, :width]


def read_latents(latents: Tensor, *, picture: int = 0, top: int = 0, left: int = 0) -> tuple[Tensor, Tensor]:
    """Return the tokens of latents, and where these are, on their device.

    Args:
        latents: As the network sees them, (B, C, h, w).
        picture: Which one they are: 0 is being made.
        top: Where its upper left corner lies, in latents.
        left: As ``top``.
    """
    rows, columns, top, left = (-(-side // PATCH) for side in (*latents.shape[2:], top, left))
    tokens = to_tokens(padded(latents, PATCH), PATCH)
    there = places(rows, columns, picture=picture, top=top, left=left)
    return tokens, there.to(latents.device)


def _channels_taken(model: DiffusionModel) -> int:
    """Return the channels of latents that a network reads, which a LoRA may have made more."""
    return model.unet.shapes["x_embedder.weight"][1] // PATCH**2


def _references(prompt: Prompt, model: DiffusionModel, size: Sequence[int]) -> dict[str, Tensor]:
    sizes = [each.shape[2:] for each in prompt.references]
    match prompt.reference_layout:
        case "canvas":
            laid_out = [(1, *corner) for corner in _on_canvas(sizes)]
        case "stack":
            laid_out = [(1 + index, 0, 0) for index in range(len(sizes))]
        case "diagonal":
            laid_out = [(0, *corner) for corner in _on_diagonal(size, sizes)]
    read = [
        read_latents(to_network(latents.float().cpu(), model), picture=picture, top=top, left=left)
        for latents, (picture, top, left) in zip(prompt.references, laid_out, strict=True)
    ]
    most = max(len(tokens) for tokens, _ in read)
    return {
        "reference_tokens": torch.cat([repeat_to(tokens, most) for tokens, _ in read], dim=1),
        "reference_places": torch.cat([there for _, there in read])[None],
    }


def _on_canvas(sizes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return the upper left corners of pictures on one canvas.

    Each stands right of all before it or below them, where the canvas stays nearer to a square.
    """
    tall = wide = 0
    corners = []
    for height, width in sizes:
        top, left = (0, wide) if tall + height > wide + width else (tall, 0)
        tall, wide = max(tall, top + height), max(wide, left + width)
        corners.append((top, left))
    return corners


def _on_diagonal(size: Sequence[int], sizes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return corners where each picture begins where the one before ends, the first at that of a size."""
    top, left = (-(-side // PATCH) * PATCH for side in size)
    corners = []
    for height, width in sizes:
        corners.append((top, left))
        top, left = top + height, left + width
    return corners


def _padded(blocks: Sequence[Tensor], count: int) -> list[Tensor] | None:
    """Add nothing to the tokens of references, which come last."""
    return [pad(each, (0, 0, 0, count - each.shape[1])) for each in blocks] or None


def exactly_told(network: Any, timestep: Tensor, guidance: Tensor | None) -> Any:
    """Return a twin that is told time and guidance exactly; diffusers rounds them to what it computes in.

    In bfloat16 these would be as coarse as 752 and 756 of a thousand steps.

    Args:
        network: A transformer or ControlNet of Flux.
        timestep: Of each row, 0..1000, float32.
        guidance: Of each row, float32; ``None`` for none, even where it was trained with it.
    """
    twin = twin_of(network, ["time_text_embed.hook"])
    told = (timestep,) if guidance is None else (timestep, guidance * 1000)
    if guidance is None:
        twin.time_text_embed.__class__ = diffusers_embeddings.CombinedTimestepTextProjEmbeddings
    twin.time_text_embed.register_forward_pre_hook(lambda module, args: (*told, args[-1]))
    return twin
