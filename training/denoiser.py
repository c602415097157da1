"""Train text encoder, UNet and two ControlNets together, on encoded banks."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

from training.loop import mixed_precision
from training.networks import Sizes, make_controlnet, make_denoiser, make_text_encoder
from training.samples import Batch, EncodedBank, draw_batch
from training.schedule import noise_level, signal, style_share, viewport_share
from training.task import Inputs, Plan

LEAST_WEIGHT = 0.3
"""Weight of nearly clean samples, in units of the v-prediction loss."""

CONTROL_SHARES = {(True, True): 0.55, (True, False): 0.16, (False, True): 0.15, (False, False): 0.14}
"""Which of depth and lines a batch is given. Whole batches, so that what is left out costs nothing."""


class Networks(nn.Module):
    """Everything that turns prompt, noise and controls into a prediction."""

    def __init__(
        self,
        text: CLIPTextModel,
        denoiser: UNet2DConditionModel,
        depth: ControlNetModel,
        lines: ControlNetModel,
    ) -> None:
        super().__init__()
        self.text = text
        self.denoiser = denoiser
        self.depth = depth
        self.lines = lines

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        prompt_embeds: Tensor,
        depth: Tensor | None = None,
        lines: Tensor | None = None,
        scales: tuple[float, float] = (1.0, 1.0),
    ) -> Tensor:
        """Predict v.

        Args:
            latents: (B, 4, h, w), unit variance.
            timesteps: (B,), 0..999.
            prompt_embeds: (B, 77, width), of `encode_prompts`.
            depth: (B, 3, 4 h, 4 w), 0..1, or None for no depth control.
            lines: The same for lines.
            scales: Weights of the two controls.
        """
        sums: list[Tensor] | None = None
        for control, picture, scale in ((self.depth, depth, scales[0]), (self.lines, lines, scales[1])):
            if picture is None or scale == 0:
                continue
            down, mid = control(latents, timesteps, prompt_embeds, picture, scale, return_dict=False)
            extra = [*down, mid]
            sums = extra if sums is None else [a + b for a, b in zip(sums, extra, strict=True)]
        v: Tensor = self.denoiser(
            latents,
            timesteps,
            prompt_embeds,
            down_block_additional_residuals=sums[:-1] if sums else None,
            mid_block_additional_residual=sums[-1] if sums else None,
        ).sample
        return v

    def encode_prompts(self, tokens: Tensor) -> Tensor:
        """Return prompt embeddings of (B, 77) token ids."""
        embeds: Tensor = self.text(tokens).last_hidden_state
        return embeds


def make_networks(sizes: Sizes) -> Networks:
    """Build untrained networks."""
    return Networks(
        make_text_encoder(sizes), make_denoiser(sizes), make_controlnet(sizes), make_controlnet(sizes)
    )


class DenoiserTask:
    """Predict v for noised targets, and for noised viewports on their way to the target."""

    def __init__(self, model: nn.Module, plan: Plan, rank: int, banks: Sequence[tuple[Path, Path]]) -> None:
        assert isinstance(model, Networks)
        self.model, self.plan = model, plan
        self.device, self.dtype = torch.device(plan.device), model.denoiser.dtype
        self.banks = [EncodedBank.open(*paths, self.device) for paths in banks]
        if self.device.type == "cpu":
            # torch's fused attention is slow backwards on CPU: a step takes 0.70 s instead of 0.89.
            for network in (model.denoiser, model.depth, model.lines):
                network.set_attn_processor(AttnProcessor())

    def draw(self, rng: np.random.Generator, progress: float) -> Inputs:
        """Draw a batch, with the controls that it is given."""
        bank = self.banks[rng.integers(len(self.banks))]
        batch = draw_batch(bank, rng, self.plan.batch, self.plan.crop)
        noised, wanted, now = noised_and_wanted(batch)
        choice = rng.choice(len(CONTROL_SHARES), p=list(CONTROL_SHARES.values()))
        with_depth, with_lines = list(CONTROL_SHARES)[choice]
        return {
            "noised": noised,
            "wanted": wanted,
            "timesteps": now,
            "tokens": batch.tokens,
            "depth": batch.depth if with_depth else None,
            "lines": batch.lines if with_lines else None,
        }

    def loss(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted error of a batch."""
        noised, wanted, now, tokens = (
            _given(inputs[name]) for name in ("noised", "wanted", "timesteps", "tokens")
        )
        depth, lines = (None if c is None else c.to(self.dtype) for c in (inputs["depth"], inputs["lines"]))
        with mixed_precision(self.device):
            v = self.model(noised.to(self.dtype), now, self.model.encode_prompts(tokens), depth, lines)
        a, s = signal(now), noise_level(now)
        error = (a * noised - s * v.float() - wanted).square()
        weighted = error / s.square() * s.square().clamp(min=LEAST_WEIGHT)
        numbers = {} if depth is None or lines is None else _by_noise(error.detach().mean((1, 2, 3)), now)
        return weighted.mean(), numbers


def denoiser_task(banks: Sequence[tuple[Path, Path]]) -> partial[DenoiserTask]:
    """Bind the data, for `training.loop.train`."""
    return partial(DenoiserTask, banks=tuple(banks))


def noised_and_wanted(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the network sees, the picture it shall find in it, and the timesteps."""
    moments, device = batch.moments, batch.clean.device
    start, now = (torch.from_numpy(t).to(device) for t in (moments.start, moments.now))
    is_img2img, is_pure = (
        torch.from_numpy(t).to(device).view(-1, 1, 1, 1) for t in (moments.is_img2img, moments.is_pure_noise)
    )
    left = torch.where(is_img2img, viewport_share(start, now), 0.0)
    share = torch.where(is_img2img, style_share(start), 1.0)
    clean = batch.clean + left * (batch.viewport - batch.clean)
    noised = signal(now) * clean + noise_level(now) * batch.noise
    noised = torch.where(is_pure, batch.noise, noised).contiguous(memory_format=torch.channels_last)
    return noised, batch.viewport + share * (batch.clean - batch.viewport), now


def _given(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor


def _by_noise(errors: Tensor, timesteps: Tensor) -> dict[str, Tensor]:
    """Split the error of the clean latents (variance 1) by how much noise there was; NaN if none had it."""
    ranges = {"x0_high": timesteps >= 900, "x0_mid": (timesteps >= 400) & (timesteps < 900)}
    return {name: (errors * inside).sum() / inside.sum() for name, inside in ranges.items()}
