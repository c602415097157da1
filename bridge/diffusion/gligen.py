"""GLIGEN: words that are painted in boxes, by layers between a UNet's self- and cross-attention.

Source: Li et al. 2023, "GLIGEN: Open-Set Grounded Text-to-Image Generation", §3; the layers are diffusers'.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bridge import models
from bridge.diffusion.device import memory_errors
from bridge.diffusion.ip_adapter.attention import cross_attentions
from bridge.diffusion.libraries import diffusers_attention, diffusers_embeddings
from bridge.diffusion.opening import open_network
from bridge.diffusion.patching import twin_of
from bridge.diffusion.residency import with_room
from bridge.diffusion.types import DiffusionModel, Grounding, GroundingNetwork, Prompt, TextBox
from bridge.errors import InputError, ModelError
from bridge.models import GroundingLayout

_MOST_BOXES = 30
"""Objects that the published models were trained with; places without one hold what was learned for none."""

_HEADS = 8
"""Of each layer. Source: Stable Diffusion 1.x, for which the published models were made."""


class GroundingLayers(torch.nn.Module):
    """The layers of a GLIGEN model, and what turns words and boxes into what they attend to."""

    def __init__(self, layout: GroundingLayout) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(
            diffusers_attention.GatedSelfAttentionDense(width, layout.context_width, _HEADS, width // _HEADS)
            for width in layout.widths
        )
        self.position_net = diffusers_embeddings.GLIGENTextBoundingboxProjection(
            layout.text_width, layout.context_width
        )


def load_gligen(path: Path, name: str) -> GroundingNetwork:
    """Open a GLIGEN model for boxes with words.

    Raises:
        ModelError: If it is damaged, unsafe, or no GLIGEN model.
    """
    layout = models.gligen(models.read_header(path), path.name)
    build, places = functools.partial(_empty, layout), functools.partial(_places, layout)
    return GroundingNetwork(open_network(f'GLIGEN model "{name}"', build, path, places), layout, name)


def add_text_box(
    conditioning: Sequence[Prompt], network: GroundingNetwork, box: TextBox
) -> tuple[Prompt, ...]:
    """Return conditioning with one more box; the model of the last one is taken for all.

    Raises:
        ModelError: Code ``model_mismatch`` if words or prompts are of another family than the model.
    """
    widths = {prompt.prompt_embeds.shape[2] for prompt in conditioning}
    if box.embedding.shape[1] != network.layout.text_width or widths - {network.layout.context_width}:
        raise _mismatch(network, "the prompts, or the words, were encoded for another family")
    return tuple(
        replace(prompt, grounding=Grounding(network, (*_boxes(prompt), box))) for prompt in conditioning
    )


@torch.inference_mode()
def read_boxes(grounding: Grounding, model: DiffusionModel, size: Sequence[int]) -> Tensor:
    """Turn words and boxes into what GLIGEN's layers attend to, shape (1, 30, width), on the device.

    Args:
        grounding: Words and boxes.
        model: Whose pixels boxes are measured in.
        size: Of the latents, (h, w).

    Raises:
        InputError: If there are more than 30.
        ModelError: Code ``model_mismatch`` if the GLIGEN model was made for another UNet.
        OutOfMemory: If it does not fit.
    """
    own, count = grounding.network, len(grounding.boxes)
    if count > _MOST_BOXES:
        raise InputError(f"GLIGEN takes {_MOST_BOXES} boxes, not {count}", hint="Leave out some boxes.")
    _require_match(own, model)
    height, width = size
    corners, words = torch.zeros(1, _MOST_BOXES, 4), torch.zeros(1, _MOST_BOXES, own.layout.text_width)
    for index, box in enumerate(grounding.boxes):
        left, top, across, down = (
            side // model.latent_factor for side in (box.x, box.y, box.width, box.height)
        )
        corners[0, index] = torch.tensor(
            (left / width, top / height, (left + across) / width, (top + down) / height)
        )
        words[0, index] = box.embedding[0]
    is_there = (torch.arange(_MOST_BOXES) < count).float()[None]

    def read() -> Tensor:
        module, where = own.network.module(), own.network.placement
        with memory_errors(f"reading boxes with {own.network.name}"):
            given = (each.to(where.device, where.dtype) for each in (corners, is_there, words))
            objects: Tensor = module.position_net(*given)
            return objects

    return with_room(read, keep=(own.network,))


def grounded(unet: Any, layers: GroundingLayers) -> Any:
    """Return a UNet that shares everything with another but has GLIGEN's layers.

    It takes ``cross_attention_kwargs={"gligen": {"objects": …}}``.
    """
    blocks = _blocks(unet)
    twin = twin_of(unet, [f"{path}.fuser" for path in blocks])
    twin.position_net = _Given()
    for path, index in blocks.items():
        twin.get_submodule(path).fuser = layers.layers[index]
    return twin


class _Given(torch.nn.Module):
    """Stands where diffusers would read the boxes anew at every step."""

    def forward(self, objects: Tensor) -> Tensor:
        return objects


def _boxes(prompt: Prompt) -> tuple[TextBox, ...]:
    return prompt.grounding.boxes if prompt.grounding else ()


def _blocks(unet: Any) -> dict[str, int]:
    """Return a UNet's transformer blocks → the number of the transformer they belong to, as it runs them."""
    modules = unet.named_modules()
    names = [
        f"{path}.attn2.to_k.weight"
        for path, part in modules
        if isinstance(part, diffusers_attention.BasicTransformerBlock)
    ]
    return {each.path.removesuffix(".attn2"): each.transformer for each in cross_attentions(names)}


def _require_match(own: GroundingNetwork, model: DiffusionModel) -> None:
    unet = model.unet.module()
    widths = {index: unet.get_submodule(path).norm1.weight.shape[0] for path, index in _blocks(unet).items()}
    found = tuple(widths[index] for index in sorted(widths))
    if found != own.layout.widths or unet.config["cross_attention_dim"] != own.layout.context_width:
        raise _mismatch(own, f"{model.unet.name} is {model.family.value}, or has other layers")


def _mismatch(own: GroundingNetwork, but: str) -> ModelError:
    return ModelError(
        f"{own.network.name} was made for UNets with {len(own.layout.widths)} transformers and prompt "
        f"embeddings of width {own.layout.context_width}; {but}",
        code="model_mismatch",
        hint="The published GLIGEN models are for Stable Diffusion 1.x: choose such a checkpoint.",
    )


def _empty(layout: GroundingLayout) -> GroundingLayers:
    with torch.device("meta"):
        return GroundingLayers(layout)


def _places(layout: GroundingLayout, parameter: str) -> list[str]:
    owner, _, rest = parameter.partition(".")
    if owner != "layers":
        return [parameter]
    index, _, inner = rest.partition(".")
    return [layout.places[int(index)] + inner]
