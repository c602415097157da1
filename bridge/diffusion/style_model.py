"""Style models: the look of a picture as more tokens of the prompt.

Sources: T2I-Adapter's style adapter (Mou et al. 2023, and its code, github.com/TencentARC/T2I-Adapter): eight
learned tokens read CLIP's hidden states in three transformer blocks. FLUX.1 Redux (Black Forest Labs 2024,
and its code, github.com/black-forest-labs/flux): two linear layers make a token of each of SigLIP's.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from torch import Tensor
from torch.nn import LayerNorm, Linear
from torch.nn.functional import scaled_dot_product_attention, silu

from bridge import models
from bridge.diffusion.clip_vision import VisionOutput
from bridge.diffusion.device import Placement, memory_errors
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.types import Prompt, StyleTokens
from bridge.engine import current_job
from bridge.errors import ModelError
from bridge.graph import Socket
from bridge.models import SIGLIP, VIT_L, Family, StyleLayout

_HEADS = 8
"""Of each block; no file tells it. Source: T2I-Adapter's configuration of its style adapter."""


@dataclass(frozen=True, slots=True, eq=False)
class StyleNetwork:
    """A style model: its weights, its shape, and what the user calls it."""

    network: Network[Any]
    layout: StyleLayout
    name: str


StyleModel = Annotated[StyleNetwork, Socket("STYLE_MODEL")]
StrengthType = Literal["multiply", "attn_bias"]


class StyleEncoder(torch.nn.Module):
    """Hidden states of CLIP vision (B, positions, width) → prompt embeddings (B, tokens, context width)."""

    def __init__(self, layout: StyleLayout) -> None:
        super().__init__()
        self.style_embedding = torch.nn.Parameter(torch.empty(1, layout.tokens, layout.width))
        self.ln_pre, self.ln_post = LayerNorm(layout.width), LayerNorm(layout.width)
        self.blocks = torch.nn.Sequential(*(_Block(layout.width) for _ in range(layout.layers)))
        self.proj = torch.nn.Parameter(torch.empty(layout.width, layout.context_width))

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return the tokens."""
        style = self.style_embedding.expand(len(hidden_states), -1, -1)
        read = self.blocks(self.ln_pre(torch.cat((hidden_states, style), dim=1)))
        tokens: Tensor = self.ln_post(read[:, -style.shape[1] :]) @ self.proj
        return tokens


class ReduxEncoder(torch.nn.Module):
    """Hidden states of SigLIP (B, positions, width) → prompt embeddings (B, positions, context width)."""

    def __init__(self, layout: StyleLayout) -> None:
        super().__init__()
        self.redux_up = Linear(layout.width, layout.inner_width)
        self.redux_down = Linear(layout.inner_width, layout.context_width)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return the tokens."""
        tokens: Tensor = self.redux_down(silu(self.redux_up(hidden_states)))
        return tokens


class _Block(torch.nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = LayerNorm(width), LayerNorm(width)
        self.in_proj, self.out_proj = Linear(width, 3 * width), Linear(width, width)
        self.c_fc, self.c_proj = Linear(width, 4 * width), Linear(4 * width, width)

    def forward(self, here: Tensor) -> Tensor:
        rows, positions, width = here.shape
        query, key, value = (
            each.view(rows, positions, _HEADS, -1).transpose(1, 2)
            for each in self.in_proj(self.ln_1(here)).chunk(3, dim=-1)
        )
        attended = scaled_dot_product_attention(query, key, value).transpose(1, 2)
        here = here + self.out_proj(attended.reshape(rows, positions, width))
        inner = self.c_fc(self.ln_2(here))
        out: Tensor = here + self.c_proj(inner * torch.sigmoid(1.702 * inner))  # QuickGELU
        return out


def load_style_model(path: Path, name: str) -> StyleNetwork:
    """Open a style model.

    Raises:
        ModelError: If it is damaged, unsafe, or no style model.
    """
    layout = models.style_model(models.read_header(path), path.name)
    place = Placement.for_transformer if layout.family is Family.FLUX else Placement.unchanged
    build = functools.partial(_empty, layout)
    network = open_network(f'style model "{name}"', build, path, _places, place=place)
    return StyleNetwork(network, layout, name)


def add_style(
    conditioning: Sequence[Prompt],
    style: StyleNetwork,
    seen: VisionOutput,
    strength: float,
    strength_type: StrengthType,
) -> tuple[Prompt, ...]:
    """Return conditioning with the style of pictures as more tokens behind each prompt.

    Args:
        conditioning: Prompts of the family that the style model was made for.
        style: Makes the tokens.
        seen: What CLIP vision says of the pictures.
        strength: What tokens, or the attention that they get, are multiplied by.
        strength_type: Which of the two. ``attn_bias``, attention, leaves tokens for Stable Diffusion as they
            are, with a warning: it cannot weigh single ones.

    Raises:
        ModelError: Code ``model_mismatch`` if prompts or CLIP vision are of another kind than it is for.
        OutOfMemory: If it does not fit.
    """
    _require_match(style, conditioning, seen)

    @torch.inference_mode()
    def read() -> Tensor:
        module, where = style.network.module(), style.network.placement
        with memory_errors(f"reading a style with {style.network.name}"):
            tokens: Tensor = module(seen.last_hidden_state.to(where.device, where.dtype))
            return tokens.flatten(0, 1)[None].float().cpu().clone()

    tokens = with_room(read, keep=(style.network,))
    if strength_type == "multiply":
        tokens = tokens * strength
    if style.layout.family is Family.FLUX:
        return tuple(
            _with_tokens(prompt, tokens, 1.0 if strength_type == "multiply" else strength)
            for prompt in conditioning
        )
    if strength_type == "attn_bias" and strength != 1.0:
        current_job().warn(
            "no_effect",
            "strength does nothing with attn_bias: Stable Diffusion cannot weigh single tokens",
            "Choose multiply.",
            "strength_type",
        )
    return tuple(
        replace(prompt, prompt_embeds=torch.cat((prompt.prompt_embeds, tokens), dim=1))
        for prompt in conditioning
    )


def _with_tokens(prompt: Prompt, tokens: Tensor, attention: float) -> Prompt:
    before, count = prompt.prompt_embeds.shape[1], tokens.shape[1]
    return replace(
        prompt,
        prompt_embeds=torch.cat((prompt.prompt_embeds, tokens), dim=1),
        style_tokens=(*prompt.style_tokens, StyleTokens(range(before, before + count), attention)),
    )


def _empty(layout: StyleLayout) -> StyleEncoder | ReduxEncoder:
    with torch.device("meta"):
        return ReduxEncoder(layout) if layout.family is Family.FLUX else StyleEncoder(layout)


def _places(parameter: str) -> list[str]:
    match = re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(\w+)", parameter)
    if not match:
        return [parameter]
    block, module, kind = match.groups()
    inner = {
        "in_proj": f"attn.in_proj_{kind}",
        "out_proj": f"attn.out_proj.{kind}",
        "c_fc": f"mlp.c_fc.{kind}",
        "c_proj": f"mlp.c_proj.{kind}",
    }.get(module, f"{module}.{kind}")
    return [f"transformer_layes.{block}.{inner}"]  # misspelt as it is


def _require_match(style: StyleNetwork, conditioning: Sequence[Prompt], seen: VisionOutput) -> None:
    width = seen.last_hidden_state.shape[2]
    if width != style.layout.width:
        wanted = SIGLIP if style.layout.family is Family.FLUX else f"OpenAI's {VIT_L}"
        raise ModelError(
            f'style model "{style.name}" reads hidden states of width {style.layout.width} ({wanted}), CLIP '
            f"vision gave {width}",
            code="model_mismatch",
            hint=f"Load {wanted}, which it was trained with, with CLIPVisionLoader.",
        )
    for prompt in conditioning:
        if prompt.prompt_embeds.shape[2] != style.layout.context_width:
            raise ModelError(
                f'style model "{style.name}" is for {style.layout.family.value}: it makes prompt embeddings '
                f"of width {style.layout.context_width}, the prompts have {prompt.prompt_embeds.shape[2]}",
                code="model_mismatch",
                hint="Choose a checkpoint of the family that the style model was made for.",
            )
