"""What the denoiser asks of a family: what its network takes of prompts, and how it is called at a step."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from bridge.diffusion.extra_channels import refuse_picture_to_edit
from bridge.diffusion.steering import Steering, Step
from bridge.diffusion.types import DiffusionModel, Prompt
from bridge.errors import UnsupportedModel
from bridge.models import Family

Extras = Mapping[str, Tensor]
"""What a network takes besides embeddings and latents, by its own names; each (1 or B, …), on the CPU."""


@dataclass(frozen=True, slots=True, eq=False)
class Outset:
    """What a run begins with.

    Args:
        shape: Of the latents, (B, C, h, w).
        clean: The latents that it starts from, as the network is to see them.
        noise_mask: Where to denoise, (…, H, W).
        seed: For noise on pictures that prompts show.
    """

    shape: Sequence[int]
    clean: Tensor | None = None
    noise_mask: Tensor | None = None
    seed: int = 0


class Backbone(ABC):
    """A kind of network; holds nothing of a model or a run.

    Attributes:
        exact: Names of extras that stay in float32, whatever the network's precision.
    """

    exact: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def latent_channels(self, config: Mapping[str, Any]) -> int:
        """Return the channels of the latents that a network predicts."""

    @abstractmethod
    def context_width(self, config: Mapping[str, Any]) -> int:
        """Return the width of the prompt embeddings that a network reads."""

    @abstractmethod
    def extras(
        self, prompt: Prompt, model: DiffusionModel, outset: Outset, *, is_negative: bool
    ) -> dict[str, Tensor]:
        """Return what the network takes of a prompt besides its embeddings.

        Raises:
            ModelError: Code ``model_mismatch`` if the prompt lacks something, or brings what the network
                cannot see.
        """

    def channels(self, prompt: Prompt, model: DiffusionModel, outset: Outset) -> Tensor | None:
        """Return what the network sees beside the noisy latents, (B, C, h, w); ``None`` for nothing.

        Raises:
            UnsupportedModel: If it takes channels of an unknown kind, or the prompt brings a picture that
                it cannot see.
        """
        refuse_picture_to_edit(prompt, model)
        return None

    def likeness(self, prompt_embeds: Tensor, extras: Extras) -> Hashable:
        """Return what prompts must have in common to run as one batch."""
        return prompt_embeds.shape[1]

    def joined(self, embeds: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Make one batch of the embeddings of like prompts, and what the network is told of that."""
        return torch.cat(list(embeds)), {}

    @abstractmethod
    def predict(self, network: Any, step: Step, steering: Sequence[Steering], sigma: float) -> Tensor:
        """Return what a network predicts at a step, of the shape of the step's sample.

        Args:
            network: The module.
            step: What it is given.
            steering: What it goes through; not all of it need be at work.
            sigma: The noise level.
        """


def refuse_references(prompt: Prompt, model: DiffusionModel) -> None:
    """Refuse pictures to go by that a network cannot see.

    Raises:
        UnsupportedModel: If the prompt brings any.
    """
    if prompt.references:
        raise _unseen("a picture to go by (ReferenceLatent)", model)


def refuse_pictures(prompt: Prompt, model: DiffusionModel) -> None:
    """Refuse pictures that prompts show to other families only.

    Raises:
        UnsupportedModel: If the prompt brings any of it.
    """
    if prompt.pictures:
        raise _unseen("pictures (unCLIPConditioning)", model)
    if prompt.style_tokens and model.family is not Family.FLUX:
        raise _unseen("the look of a picture for Flux (StyleModelApply with Redux)", model)
    if prompt.grounding:
        raise _unseen("words in boxes (GLIGENTextBoxApply)", model)


def _unseen(what: str, model: DiffusionModel) -> UnsupportedModel:
    return UnsupportedModel(
        f"the prompt brings {what}, which {model.unet.name} ({model.family.value}) cannot see",
        hint="Remove that node, or load a checkpoint that it is made for.",
    )
