"""``latent_preview``: what a sampler of a pack calls at each step."""

from collections.abc import Callable
from typing import Any

from bridge.packs.shims.utils import ProgressBar

__all__ = ["MAX_PREVIEW_RESOLUTION", "get_previewer", "prepare_callback"]

MAX_PREVIEW_RESOLUTION = 512


def get_previewer(device: Any, latent_format: Any) -> None:
    """Return what shows latents: nothing does, as our models show themselves."""
    return


def prepare_callback(
    model: Any, steps: int, x0_output_dict: dict[str, Any] | None = None
) -> Callable[[int, Any, Any, int], None]:
    """Return a function that is told of each step, and moves the node's progress."""
    progress = ProgressBar(steps)

    def callback(step: int, x0: Any, x: Any, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        progress.update_absolute(step + 1, total_steps)

    return callback
