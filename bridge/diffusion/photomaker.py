"""PhotoMaker: a face from a picture in place of a word of the prompt.

Source: Li et al. 2023, "PhotoMaker: Customizing Realistic Human Photos via Stacked ID Embedding", §3.2.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear
from torch.nn.functional import gelu

from bridge import models
from bridge.diffusion.clip_vision import preprocessed, vision_config, with_positions
from bridge.diffusion.device import memory_errors
from bridge.diffusion.libraries import transformers
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.types import Prompt
from bridge.errors import InputError, ModelError
from bridge.graph import Socket
from bridge.models import PhotoMakerLayout

TRIGGER = "photomaker"
"""The word behind the one that becomes the face."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoMakerNetwork:
    """An identity encoder: its weights, its shape, and what the user calls it."""

    network: Network[Any]
    layout: PhotoMakerLayout
    name: str


PhotoMaker = Annotated[PhotoMakerNetwork, Socket("PHOTOMAKER")]


class IdentityEncoder(torch.nn.Module):
    """Pictures (B, 3, size, size) and words (B, width) → words with the pictures' faces, (B, width)."""

    def __init__(self, layout: PhotoMakerLayout) -> None:
        super().__init__()
        tower = transformers.CLIPVisionModelWithProjection(
            transformers.CLIPVisionConfig(**vision_config(layout.vision))
        )
        self.vision_model, self.visual_projection = tower.vision_model, tower.visual_projection
        self.visual_projection_2 = Linear(layout.vision.width, layout.second_projection, bias=False)
        self.fuse_module = _Fusion(layout.width)

    def forward(self, pixels: Tensor, words: Tensor) -> Tensor:
        """Put faces into words."""
        pooled = self.vision_model(pixels).pooler_output
        faces = torch.cat((self.visual_projection(pooled), self.visual_projection_2(pooled)), dim=-1)
        fused: Tensor = self.fuse_module(words, faces)
        return fused


class _Fusion(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp1, self.mlp2 = _Mlp(2 * width, width), _Mlp(width, width)
        self.layer_norm = LayerNorm(width)

    def forward(self, words: Tensor, faces: Tensor) -> Tensor:
        mixed = words + self.mlp1(torch.cat((words, faces), dim=-1))
        fused: Tensor = self.layer_norm(mixed + self.mlp2(mixed))
        return fused


class _Mlp(torch.nn.Module):
    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.layernorm = LayerNorm(wide)
        self.fc1, self.fc2 = Linear(wide, width), Linear(width, width)

    def forward(self, here: Tensor) -> Tensor:
        out: Tensor = self.fc2(gelu(self.fc1(self.layernorm(here))))
        return out


def load_photomaker(path: Path, name: str) -> PhotoMakerNetwork:
    """Open an identity encoder.

    Raises:
        ModelError: If it is damaged, unsafe, or no identity encoder.
        UnsupportedModel: If it is of PhotoMaker's second version.
    """
    layout = models.photomaker(models.read_header(path), path.name)
    build = functools.partial(_empty, layout)
    network = open_network(f'PhotoMaker "{name}"', build, path, lambda key: [key], finish=with_positions)
    return PhotoMakerNetwork(network, layout, name)


def with_face(prompt: Prompt, text: str, maker: PhotoMakerNetwork, image: Tensor) -> Prompt:
    """Put the face of a picture into the word before ``photomaker``; without that word nothing is changed.

    Args:
        prompt: ``text``, encoded for SDXL. As in ComfyUI, a word is taken for one token.
        text: With the trigger word between spaces.
        maker: Knows faces.
        image: Shape (B, H, W, 3), range 0..1; the first one is looked at.

    Raises:
        InputError: If no word stands before the trigger, or too many.
        ModelError: Code ``model_mismatch`` if the prompt is no SDXL's.
        OutOfMemory: If the encoder does not fit.
    """
    words = text.split(" ")
    if TRIGGER not in words:
        return prompt
    place = words.index(TRIGGER)
    embeds = prompt.prompt_embeds
    if not 0 < place < embeds.shape[1]:
        raise InputError(
            f'"{TRIGGER}" is word {place + 1} of the prompt: there is none before it, or too many',
            hint=f'Write it behind the word that is to get the face: "photograph of a man {TRIGGER}".',
        )
    if embeds.shape[2] != maker.layout.width:
        raise ModelError(
            f'PhotoMaker "{maker.name}" changes words of width {maker.layout.width}, the prompt has '
            f"{embeds.shape[2]}",
            code="model_mismatch",
            hint="PhotoMaker belongs to SDXL: connect the CLIP output of an SDXL checkpoint.",
        )
    pixels = preprocessed(image[:1], maker.layout.vision.image_size, crops=True)

    @torch.inference_mode()
    def fuse() -> Tensor:
        module, where = maker.network.module(), maker.network.placement
        with memory_errors(f"looking at a face with {maker.network.name}"):
            there = (each.to(where.device, where.dtype) for each in (pixels, embeds[:, place]))
            fused: Tensor = module(*there)
            return fused.float().cpu()

    changed = embeds.clone()
    changed[:, place] = with_room(fuse, keep=(maker.network,))
    return replace(prompt, prompt_embeds=changed)


def _empty(layout: PhotoMakerLayout) -> IdentityEncoder:
    with torch.device("meta"):
        return IdentityEncoder(layout)
