"""Flux's attention, in which words and picture look at each other, and the picture at image prompts.

The picture's queries, before they are turned by their places, look up keys and values of each image prompt
apart, as in UNets; in layers that treat words and picture together, the words' do so too. XLabs' adapters add
what is found behind the block, InstantX's before the attention's last layer.
Sources: the code of github.com/XLabs-AI/x-flux, and of InstantX's FLUX.1-dev-IP-Adapter
(github.com/Shakker-Labs/ComfyUI-IPAdapter-Flux); Ye et al. 2023, §3.2.2.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from bridge.diffusion.ip_adapter.attention import CrossAttention, Hint
from bridge.diffusion.libraries import diffusers_embeddings
from bridge.diffusion.look import Look, current_look
from bridge.models import FluxKind, Shape

_PATCH = 2
"""Latents along a side of one of Flux's tokens."""

_EPSILON = 1e-5
"""Of InstantX's norm of keys and values."""


def joint_attentions(shapes: Mapping[str, Shape], kind: FluxKind) -> list[CrossAttention]:
    """List the attentions of a Flux that an adapter was made for, in the order in which it numbers them.

    Args:
        shapes: Of the network's parameters.
        kind: Whose adapter it is.
    """
    found = [f"{path}.attn" for path in _blocks(shapes, "transformer_blocks")]
    if kind == "instantx":
        found += [f"{path}.attn" for path in _blocks(shapes, "single_transformer_blocks")]
    return [CrossAttention(path, index, None) for index, path in enumerate(found)]


def normed(keys: Tensor, head_width: int) -> Tensor:
    """Bring the keys, or values, of each head to a mean square of 1, as InstantX's adapter does."""
    heads = keys.view(*keys.shape[:-1], -1, head_width)
    return rms_norm(heads, (head_width,), eps=_EPSILON).flatten(-2)


class HintedJointAttention:
    """The processor of an attention of Flux that image prompts speak in."""

    def __init__(self, hints: tuple[Hint, ...]) -> None:
        self.hints = hints

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, ...]:
        """Attend to words, picture and image prompts; shapes and results as in diffusers."""

        def heads(layer: Any, states: Tensor) -> Tensor:
            return layer(states).view(*states.shape[:2], attn.heads, -1)  # type: ignore[no-any-return]

        asking = query = attn.norm_q(heads(attn.to_q, hidden_states))
        key, value = attn.norm_k(heads(attn.to_k, hidden_states)), heads(attn.to_v, hidden_states)
        if encoder_hidden_states is not None:
            words = (
                attn.norm_added_q(heads(attn.add_q_proj, encoder_hidden_states)),
                attn.norm_added_k(heads(attn.add_k_proj, encoder_hidden_states)),
                heads(attn.add_v_proj, encoder_hidden_states),
            )
            query, key, value = (
                torch.cat(pair, dim=1) for pair in zip(words, (query, key, value), strict=True)
            )
        query, key = (
            diffusers_embeddings.apply_rotary_emb(each, image_rotary_emb, sequence_dim=1)
            for each in (query, key)
        )
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))
        out = scaled_dot_product_attention(query, key, value, attention_mask)
        before, behind = self._said(asking.transpose(1, 2), is_joint=encoder_hidden_states is None)
        if encoder_hidden_states is None:
            return _flat(out + before)
        count = encoder_hidden_states.shape[1]
        picture = attn.to_out[0](_flat(out[:, :, count:] + before))
        others = () if behind is None else (_flat(behind),)
        return picture, attn.to_add_out(_flat(out[:, :, :count])), *others

    def _said(self, query: Tensor, *, is_joint: bool) -> tuple[Tensor | float, Tensor | None]:
        """Return what is added before the last layer, and behind the block; ``None`` for nothing.

        Args:
            query: Of what looks at image prompts, (rows, heads, places, channels).
            is_joint: Whether the prompt's tokens are among it, and stand before the picture's.
        """
        look = current_look()
        within = _places(look, look.prompt_tokens if is_joint else 0)
        before: Tensor | float = 0.0
        behind: Tensor | None = None
        for hint in self.hints:
            if not hint.start >= look.sigma >= hint.end:
                continue
            said = hint.attended(query, look, within)
            if hint.is_projected:
                before = before + said
            else:
                behind = said if behind is None else behind + said
        return before, behind


def _blocks(shapes: Mapping[str, Shape], name: str) -> list[str]:
    count = 0
    while f"{name}.{count}.attn.to_q.weight" in shapes:
        count += 1
    return [f"{name}.{index}" for index in range(count)]


def _places(look: Look, first: int) -> range:
    """Return which tokens are those of the picture that is made."""
    rows, columns = (-(-side // _PATCH) for side in (look.height, look.width))
    return range(first, first + rows * columns)


def _flat(heads: Tensor) -> Tensor:
    """(rows, heads, places, channels) → (rows, places, width)."""
    return heads.transpose(1, 2).flatten(2)
