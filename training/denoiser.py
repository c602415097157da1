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

from training.loop import Plan
from training.networks import Sizes, make_controlnet, make_denoiser, make_text_encoder
from training.prompts import Prompter
from training.samples import EncodedBank, Sample, draw_sample
from training.schedule import noise_level, signal, style_share, viewport_share

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

    def __init__(
        self, model: nn.Module, plan: Plan, rank: int, banks: Sequence[tuple[Path, Path]], tokenizer: Path
    ) -> None:
        assert isinstance(model, Networks)
        self.model, self.plan = model, plan
        self.banks = [EncodedBank.open(*paths) for paths in banks]
        self.prompter = Prompter(tokenizer)
        self.device = torch.device(plan.device)
        if self.device.type == "cpu":
            # torch's fused attention is slow backwards on CPU: a step takes 0.70 s instead of 0.89.
            for network in (model.denoiser, model.depth, model.lines):
                network.set_attn_processor(AttnProcessor())

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, dict[str, float]]:
        """Return the weighted error of a new batch."""
        bank = self.banks[rng.integers(len(self.banks))]
        samples = [draw_sample(bank, self.prompter, rng, self.plan.crop) for _ in range(self.plan.batch)]
        noised, wanted, now = (tensor.to(self.device) for tensor in _noised_and_wanted(samples))
        tokens = self.prompter.tokens([sample.prompt for sample in samples]).to(self.device)
        depth, lines = self._controls(samples, rng)
        with torch.autocast(self.device.type, torch.bfloat16):
            v = self.model(noised, now, self.model.encode_prompts(tokens), depth, lines)
        a, s = signal(now.cpu()).to(self.device), noise_level(now.cpu()).to(self.device)
        error = (a * noised - s * v.float() - wanted).square()
        weighted = error / s.square() * s.square().clamp(min=LEAST_WEIGHT)
        numbers = _by_noise(error.detach().mean((1, 2, 3)).cpu(), now.cpu())
        return weighted.mean(), numbers if depth is not None and lines is not None else {}

    def _controls(
        self, samples: Sequence[Sample], rng: np.random.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        choice = rng.choice(len(CONTROL_SHARES), p=list(CONTROL_SHARES.values()))
        with_depth, with_lines = list(CONTROL_SHARES)[choice]
        depth = torch.stack([s.depth for s in samples]).to(self.device) if with_depth else None
        lines = torch.stack([s.lines for s in samples]).to(self.device) if with_lines else None
        return depth, lines


def denoiser_task(banks: Sequence[tuple[Path, Path]], tokenizer: Path) -> partial[DenoiserTask]:
    """Bind the data, for `training.loop.train`."""
    return partial(DenoiserTask, banks=tuple(banks), tokenizer=tokenizer)


def _noised_and_wanted(samples: Sequence[Sample]) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the network sees, the picture it shall find in it, and the timesteps."""
    clean, viewport, noise = (
        torch.stack([getattr(s, n) for s in samples]) for n in ("clean", "viewport", "noise")
    )
    start, now = (torch.tensor([getattr(s.moment, n) for s in samples]) for n in ("start", "now"))
    is_img2img, is_pure = (
        torch.tensor([getattr(s.moment, n) for s in samples]).view(-1, 1, 1, 1)
        for n in ("is_img2img", "is_pure_noise")
    )
    left = torch.where(is_img2img, viewport_share(start, now), torch.zeros(1))
    share = torch.where(is_img2img, style_share(start), torch.ones(1))
    noised = signal(now) * (clean + left * (viewport - clean)) + noise_level(now) * noise
    noised = torch.where(is_pure, noise, noised).contiguous(memory_format=torch.channels_last)
    return noised, viewport + share * (clean - viewport), now


def _by_noise(errors: Tensor, timesteps: Tensor) -> dict[str, float]:
    """Split the error of the clean latents (variance 1) by how much noise there was."""
    numbers = {}
    for name, inside in (("x0_high", timesteps >= 900), ("x0_mid", (timesteps >= 400) & (timesteps < 900))):
        if inside.any():
            numbers[name] = float(errors[inside].mean())
    return numbers
