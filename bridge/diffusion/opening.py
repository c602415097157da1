"""From a file to the handle of one network, whatever its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bridge import models
from bridge.diffusion.device import Placement
from bridge.diffusion.reading import reading, running_loader
from bridge.diffusion.residency import Network
from bridge.diffusion.weights import Names, fill, match_names

Build = Callable[[], torch.nn.Module]


def open_network(
    label: str,
    build: Build,
    file: Path,
    names: Names,
    *,
    finish: Callable[[Any], Any] = lambda module: module,
    is_vae: bool = False,
    on_cpu: bool = False,
) -> Network[Any]:
    """Check a file against a network, and return the handle that loads it.

    Args:
        label: What it is called in messages.
        build: Makes the network without weights.
        file: Holds them.
        names: Where each parameter may lie in the file.
        finish: Makes of the filled network what will be used.
        is_vae: Whether it runs in an autoencoder's precision.
        on_cpu: Whether it runs there, whatever the device is.

    Raises:
        ModelError: If the file is damaged, or does not hold the network.
    """
    header = models.read_header(file)
    skeleton = build()
    found = match_names(skeleton, header, names, file.name)
    size = sum(header.tensors[place.name].end - header.tensors[place.name].begin for place in found.values())
    loader = running_loader()

    def load(placement: Placement) -> Any:
        if on_cpu:
            placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
        module = build()
        dtype = placement.vae_dtype if is_vae else placement.dtype
        with reading(loader, size) as on_read:
            fill(module, file, found, placement, dtype, on_read)
            return finish(module).to(memory_format=placement.memory_format)

    shapes = {key: tuple(parameter.shape) for key, parameter in skeleton.named_parameters()}
    return Network(label, load, shapes)
