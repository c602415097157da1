"""``comfy.utils``: progress, scaling and reading of weights."""

from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion import repeat_to, scale, scale_image
from bridge.engine import Job
from bridge.errors import UnsupportedModel
from bridge.packs.shims.pictures import preview_plane
from bridge.packs.shims.place import own_id, whose

__all__ = [
    "PROGRESS_BAR_ENABLED",
    "ProgressBar",
    "calculate_parameters",
    "common_upscale",
    "load_torch_file",
    "repeat_to_batch_size",
    "reshape_mask",
    "save_torch_file",
    "state_dict_prefix_replace",
]

PROGRESS_BAR_ENABLED = True


class ProgressBar:
    """How far a node is; may be moved from any thread.

    Args:
        total: Steps in all.
        node_id: The node; by default the one that runs.
    """

    def __init__(self, total: float, node_id: str | None = None) -> None:
        self.total = total
        self.current: float = 0
        self._node = node_id
        self._job: Job | None = None
        if found := whose():  # outside of a run nobody wants to know
            self._job, running = found
            if node_id is None or node_id == own_id():
                self._node = running

    def update_absolute(self, value: float, total: float | None = None, preview: Any = None) -> None:
        """Say how much is done, and show a picture: ``("JPEG", picture, longest side)``."""
        self.total = self.total if total is None else total
        self.current = min(value, self.total)
        if self._job is not None:
            self._job.progress(self.current, self.total, self._node)
            if preview is not None and self._job.wants_preview:
                self._job.preview(preview_plane(preview))

    def update(self, value: float) -> None:
        """Say how much more is done."""
        self.update_absolute(self.current + value)


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Scale pictures or latents of shape (B, C, H, W); ``crop`` is ``center`` or ``disabled``."""
    crops = crop == "center"
    method: Any = upscale_method
    if upscale_method == "lanczos":
        return scale_image(samples.movedim(1, -1), width, height, method, crops=crops).movedim(-1, 1)
    return scale(samples, width, height, method, crops=crops)


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """Return the first ``batch_size`` entries, going round as often as needed."""
    return repeat_to(tensor.movedim(dim, 0), batch_size).movedim(0, dim)


def reshape_mask(input_mask: Tensor, output_shape: Any) -> Tensor:
    """Scale a mask to the batch, channels and size of latents of a shape (B, C, H, W)."""
    size = tuple(output_shape[-2:])
    mask = interpolate(input_mask.reshape((-1, 1, *input_mask.shape[-2:])), size=size, mode="bilinear")
    return repeat_to_batch_size(mask.expand(-1, output_shape[1], -1, -1), output_shape[0])


def load_torch_file(
    ckpt: Any, safe_load: bool = False, device: Any = None, return_metadata: bool = False
) -> Any:
    """Read the tensors of a safetensors file; nothing else is read, as opening it could run code.

    Raises:
        UnsupportedModel: If it is no such file.
    """
    path = Path(ckpt)
    try:
        tensors = load_file(path, device=str(device or "cpu"))
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
    except safetensors.SafetensorError as error:
        raise UnsupportedModel(
            f"{path.name} is no safetensors file",
            hint="Make one of it: python -m bridge.diffusion.unpickling FILE",
        ) from error
    return (tensors, metadata) if return_metadata else tensors


def save_torch_file(sd: dict[str, Tensor], ckpt: Any, metadata: dict[str, str] | None = None) -> None:
    """Write tensors as a safetensors file."""
    save_file(sd, ckpt, metadata)


def calculate_parameters(sd: dict[str, Tensor], prefix: str = "") -> int:
    """Count the numbers in weights whose names begin with a prefix."""
    return sum(torch.numel(value) for name, value in sd.items() if name.startswith(prefix))


def state_dict_prefix_replace(
    state_dict: dict[str, Any], replace_prefix: dict[str, str], filter_keys: bool = False
) -> dict[str, Any]:
    """Rename what begins with one of some prefixes; ``filter_keys`` leaves out everything else."""
    renamed: dict[str, Any] = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for name in [name for name in state_dict if name.startswith(old)]:
            renamed[new + name.removeprefix(old)] = state_dict.pop(name)
    return renamed
