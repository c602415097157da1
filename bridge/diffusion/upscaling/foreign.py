"""Upscaling networks of architectures that are not built in, by way of spandrel where it is installed."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bridge.diffusion.device import Placement
from bridge.errors import UnsupportedModel
from bridge.models import Header

PACKAGE = "spandrel"

_HINT = "Choose another upscaling model; Real-ESRGAN's are there from the start."


class ForeignNet(nn.Module):
    """A network that spandrel built, behind the same front as ours.

    Args:
        descriptor: Spandrel's ``ImageModelDescriptor``; pads pictures as the network needs it.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.scale: int = descriptor.scale
        self.net = descriptor.model
        self._descriptor = descriptor

    def forward(self, image: Tensor) -> Tensor:
        """Enlarge pictures (B, 3, H, W), range 0..1, to (B, 3, scale·H, scale·W)."""
        result: Tensor = self._descriptor(image)
        return result


def require_spandrel(header: Header, file_name: str) -> None:
    """Check that spandrel is here for a file whose network is not built in.

    Raises:
        UnsupportedModel: If it is not.
    """
    if importlib.util.find_spec(PACKAGE) is None:
        raise UnsupportedModel(
            f'the architecture of "{file_name}" is not built in: its tensors are called '
            f'"{next(iter(header.tensors), "")}" and the like, which is no ESRGAN or Real-ESRGAN',
            hint=f"The package {PACKAGE} knows it, perhaps: pip install 'framebridge[upscale]'",
        )


def load_foreign(path: Path, placement: Placement) -> ForeignNet:
    """Let spandrel build the network of a file.

    Raises:
        UnsupportedModel: If spandrel does not know it, or it is not for RGB pictures alone.
    """
    # Imported here, as it brings torchvision along, and whoever has no such file should not wait for it.
    spandrel: Any = importlib.import_module(PACKAGE)
    try:
        descriptor = spandrel.ModelLoader().load_from_state_dict(load_file(path))
    except spandrel.UnsupportedModelError as error:
        raise UnsupportedModel(
            f'{PACKAGE} does not know the architecture of "{path.name}"', hint=_HINT
        ) from error
    is_for_pictures = isinstance(descriptor, spandrel.ImageModelDescriptor)
    if not is_for_pictures or (descriptor.input_channels, descriptor.output_channels) != (3, 3):
        raise UnsupportedModel(f'"{path.name}" does not turn one RGB picture into another', hint=_HINT)
    dtype = placement.dtype if descriptor.supports_half else torch.float32
    return ForeignNet(descriptor).to(placement.device, dtype)
