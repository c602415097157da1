"""What the denoiser looks at while its UNet runs, for attention that depends on it.

1. Set around one call of the UNet, on the worker's event loop, within which nothing else runs.
2. Only attention that was put in place by a node asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """One call of the UNet.

    Args:
        sigma: The noise level.
        is_negative: For each prompt of the batch, whether it says what the picture should not be. Rows of
            the batch are prompts · pictures; all pictures of the first prompt come first.
        height: Of the latents that the UNet is given.
        width: Of them.
        prompt_tokens: How many the prompts have, for transformers in which these stand before the picture's.
    """

    sigma: float
    is_negative: tuple[bool, ...]
    height: int
    width: int
    prompt_tokens: int = 0


_looks: list[Look] = []


@contextmanager
def looking(look: Look) -> Iterator[None]:
    """Make a look the current one within the block."""
    _looks.append(look)
    try:
        yield
    finally:
        _looks.pop()


def current_look() -> Look:
    """Return the look that the running UNet takes."""
    assert _looks, "attention that a node changed ran outside of the denoiser"
    return _looks[-1]
