"""How much attention the tokens get that say what a picture looks like: a bias in Flux's joint attention.

exp(score + log w) = w · exp(score): what looks at a token with a bias of log w sees it w times. As in
ComfyUI, these tokens themselves, and those behind them, look at them without it.
"""

import math

import torch
from torch import Tensor

from bridge.diffusion.types import Prompt


def style_bias(prompt: Prompt) -> Tensor | None:
    """Return the bias with which the tokens of a prompt are looked at; ``None`` where all count alike.

    Returns:
        Shape (1, tokens + 1, tokens): by each token, and in the last row by each place of the picture.
    """
    weighed = [each for each in prompt.style_tokens if each.attention != 1.0]
    if not weighed:
        return None
    tokens = prompt.prompt_embeds.shape[1]
    bias = torch.zeros(1, tokens + 1, tokens)
    for each in weighed:
        here = slice(each.places.start, each.places.stop)
        weight = math.log(each.attention) if each.attention > 0 else -math.inf
        bias[:, : each.places.start, here] = bias[:, -1:, here] = weight
    return bias


def joint_bias(bias: Tensor, places: int) -> Tensor:
    """Return the bias of attention in which a prompt and a picture look at each other.

    Args:
        bias: As from ``style_bias``, (N, tokens + 1, tokens).
        places: Of the picture, which come behind the tokens.

    Returns:
        Shape (N, 1, tokens + places, tokens + places).
    """
    rows, _, tokens = bias.shape
    joint = bias.new_zeros(rows, 1, tokens + places, tokens + places)
    joint[:, 0, :tokens, :tokens] = bias[:, :-1]
    joint[:, 0, tokens:, :tokens] = bias[:, -1:]
    return joint
