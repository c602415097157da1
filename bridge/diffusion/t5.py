"""T5's encoder, as SD3, Flux and PixArt read prompts with it: transformers' network, and its tokenizer."""

import functools
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer

from bridge.builtin import t5_tokenizer as tokenizer_json
from bridge.diffusion.libraries import t5_layers, transformers
from bridge.models import T5Layout

if TYPE_CHECKING:
    from transformers import T5EncoderModel

_FARTHEST = 128
"""Tokens that are farther apart count as being as far as that (Raffel et al. 2020, §2.1)."""

_SPECIAL_TOKENS = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def t5_config(layout: T5Layout) -> dict[str, Any]:
    """Describe a T5 encoder of a shape to transformers; what shapes cannot tell is T5 1.1's."""
    return {
        "vocab_size": layout.vocabulary,
        "d_model": layout.width,
        "d_kv": layout.head_width,
        "d_ff": layout.inner_width,
        "num_layers": layout.layers,
        "num_heads": layout.heads,
        "relative_attention_num_buckets": layout.buckets,
        "relative_attention_max_distance": _FARTHEST,
        "feed_forward_proj": "gated-gelu",
        "dropout_rate": 0.0,
        "layer_norm_epsilon": 1e-6,
    }


def empty_t5(config: dict[str, Any]) -> "T5EncoderModel":
    """Build a T5 encoder without weights.

    Its stack of layers gets no embedding of its own: transformers 5 makes a second one beside the shared
    one, which would be 131,596,288 numbers more at full size, and whose name files do not have.
    """
    with torch.device("meta"):
        network = transformers.T5EncoderModel(transformers.T5Config(**config))
    network.encoder.embed_tokens = None
    t5_layers.keep_precision(network)
    return network


@functools.cache
def t5_tokenizer() -> Any:
    """Return the tokenizer that all families with T5 share; unlike CLIP's it marks no beginning."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_buffer(tokenizer_json()), **_SPECIAL_TOKENS
    )
