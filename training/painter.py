"""The trained networks as one thing that paints views, for contact sheets and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from training.controls import depth_control, line_control
from training.denoiser import Networks
from training.gbuffer import Plane, View
from training.latents import decode, encode
from training.networks import SCALING_FACTOR
from training.prompts import Prompter
from training.sampling import Request, draw


@dataclass(frozen=True)
class Painter:
    """Networks, autoencoder and tokenizer."""

    networks: Networks
    autoencoder: AutoencoderKL
    tokenizer: Path

    @torch.no_grad()
    def paint(
        self,
        view: View,
        prompts: Sequence[str],
        *,
        depth: float = 1.0,
        lines: float = 1.0,
        from_viewport: bool = False,
        negative: str = "",
        **options: Any,
    ) -> np.ndarray:
        """Paint one view once for every prompt.

        Args:
            view: What is seen.
            prompts: One a picture.
            depth: Weight of the depth control; 0 leaves it out.
            lines: Weight of the line control.
            from_viewport: Start from the viewport's picture (img2img) and not from an empty latent.
            negative: The negative prompt, where ``guidance_scale`` is not 1.
            options: Further fields of `Request`: steps, strength, sampler, guidance_scale, seeds.

        Returns:
            (B, H, W, 3) u8.
        """
        batch, prompter = len(prompts), Prompter(self.tokenizer)
        factor = 2 ** (len(self.autoencoder.config["block_out_channels"]) - 1)
        side = (view.shape[0] // factor, view.shape[1] // factor)
        start = None
        if from_viewport:
            start = (encode(self.autoencoder, view.color[None]) * SCALING_FACTOR).expand(batch, -1, -1, -1)
        request = Request(
            prompts=prompter.tokens(list(prompts)),
            depth=_control(depth_control(view), batch) if depth else None,
            lines=_control(line_control(view), batch) if lines else None,
            scales=(depth, lines),
            viewport=start,
            negative=prompter.tokens([negative]),
            **options,
        )
        return decode(self.autoencoder, draw(self.networks, request, side))

    def round_trip(self, pictures: np.ndarray) -> np.ndarray:
        """Encode and decode (B, H, W, 3) u8 pictures: what no painting can be sharper than."""
        return decode(self.autoencoder, encode(self.autoencoder, pictures) * SCALING_FACTOR)


def _control(picture: Plane, batch: int) -> Tensor:
    return torch.from_numpy(picture).float().expand(batch, 3, -1, -1)
