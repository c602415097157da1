"""ControlNets as networks: a picture encoder that runs once, and what runs at every step."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import silu

from bridge.diffusion.libraries import diffusers_embeddings

if TYPE_CHECKING:
    from diffusers import ControlNetModel

_TYPE_CHANNELS = 256
"""Channels in which a union ControlNet is told of each type whether the picture is of it."""


class SteeringNetwork(torch.nn.Module):
    """A ControlNet whose picture encoder runs apart, once for each picture instead of at every step."""

    def __init__(self, network: "ControlNetModel", union: "UnionEncoder | None" = None) -> None:
        super().__init__()
        self.picture_encoder = network.controlnet_cond_embedding
        network.controlnet_cond_embedding = torch.nn.Identity()
        self.network = network
        self.union = union

    @property
    def config(self) -> Any:
        """The ControlNet's own configuration."""
        return self.network.config

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its weights."""
        return next(self.parameters()).dtype

    def read(self, picture: Tensor, control_type: int | None) -> tuple[Tensor, Tensor | None]:
        """Return what it makes of a picture before any step.

        Args:
            picture: Shape (B, 3, H, W), range 0..1.
            control_type: Which of a union's types the picture is of; plain ControlNets do not look at it.

        Returns:
            The picture's embedding, (B, C, h, w), and what a union adds to the embedding of time, (1, 4C).
        """
        embedding = self.picture_encoder(picture)
        return self.union(embedding, control_type) if self.union else (embedding, None)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        prompt_embeds: Tensor,
        embedding: Tensor,
        label: Tensor | None = None,
        added: dict[str, Tensor] | None = None,
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Return residuals for skip connections and middle block.

        Args:
            sample: Scaled noisy latents.
            timestep: Shape (N,).
            prompt_embeds: Shape (N, tokens, width).
            embedding: Of the picture, as ``read`` returns it.
            label: As ``read`` returns it.
            added: What SDXL's networks take besides, as diffusers names it.
        """
        down, middle = self.network(
            sample,
            timestep,
            encoder_hidden_states=prompt_embeds,
            controlnet_cond=embedding,
            class_labels=label,
            added_cond_kwargs=added,
            return_dict=False,
        )
        return tuple(down), middle


class UnionEncoder(torch.nn.Module):
    """What a union ControlNet knows about types of pictures.

    A picture's mean embedding and the embedding of its type go through one transformer block, whose output
    moves the picture's embedding. Alone in the sequence, it attends to itself only: of the attention
    nothing but values and output matter. (The original lets the latents' mean take part, ComfyUI does not.)

    Source: xinsir's ControlNet++ (github.com/xinsir6/ControlNetPlus); names as there, but for ``value``.

    Args:
        width: Of the picture's embedding.
        types: How many it knows.
    """

    def __init__(self, width: int, types: int) -> None:
        super().__init__()
        linear = torch.nn.Linear
        self.types = types
        self.task_embedding = torch.nn.Parameter(torch.empty(types, width))
        self.ln_1, self.ln_2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.value, self.out_proj = linear(width, width), linear(width, width)
        self.c_fc, self.c_proj = linear(width, 4 * width), linear(4 * width, width)
        self.spatial_ch_projs = linear(width, width)
        self.linear_1 = linear(_TYPE_CHANNELS * types, 4 * width)
        self.linear_2 = linear(4 * width, 4 * width)

    def forward(self, embedding: Tensor, control_type: int | None) -> tuple[Tensor, Tensor]:
        """Return the embedding as its type would have it, and what is added to the embedding of time.

        Args:
            embedding: Of a picture, (B, C, h, w).
            control_type: Its type; ``None`` leaves the embedding as it is and says that it is of none.
        """
        is_of_type = torch.zeros(self.types, device=embedding.device)
        if control_type is not None:
            is_of_type[control_type] = 1.0
            token = embedding.mean((2, 3)) + self.task_embedding[control_type]
            token = token + self.out_proj(self.value(self.ln_1(token)))
            inner = self.c_fc(self.ln_2(token))
            token = token + self.c_proj(inner * torch.sigmoid(1.702 * inner))  # QuickGELU
            embedding = embedding + self.spatial_ch_projs(token)[..., None, None]
        said = diffusers_embeddings.get_timestep_embedding(
            is_of_type, _TYPE_CHANNELS, flip_sin_to_cos=True, downscale_freq_shift=0.0
        ).reshape(1, -1)
        return embedding, self.linear_2(silu(self.linear_1(said.to(embedding.dtype))))
