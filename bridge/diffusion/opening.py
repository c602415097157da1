"""From a file to the handle of one network, whatever its kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bridge import models
from bridge.diffusion.device import Placement, Placing
from bridge.diffusion.reading import reading, running_loader
from bridge.diffusion.residency import Network, placement
from bridge.diffusion.storage import StorageDtype, resting_on, resting_widths, widen_layers
from bridge.diffusion.weights import Names, bytes_of, fill, match_names, scaled_in_file, widths_in_file
from bridge.errors import ModelError

Build = Callable[[], torch.nn.Module]


def open_network(
    label: str,
    build: Build,
    file: Path,
    names: Names,
    *,
    finish: Callable[[Any], Any] = lambda module: module,
    place: Placing = Placement.unchanged,
    storage: StorageDtype = "default",
    rests_as_stored: bool = False,
) -> Network[Any]:
    """Check a file against a network, and return the handle that loads it.

    Args:
        label: What it is called in messages.
        build: Makes the network without weights.
        file: Holds them.
        names: Where each parameter may lie in the file.
        finish: Makes of the filled network what will be used.
        place: Where it runs, and how precisely.
        storage: How its weights rest in memory.
        rests_as_stored: Whether they rest in 16 bits where they are stored so and compute in 32, and in eight
            beside scales; otherwise these are widened as they are read.

    Raises:
        ModelError: If the file is damaged, or does not hold the network; or if what describes the network,
            shapes or a configuration, describes none that there can be.
    """
    header = models.read_header(file)
    skeleton = _built(build, label)
    found = match_names(skeleton, header, names, file.name)
    scaled = scaled_in_file(header, found) if rests_as_stored else frozenset()
    most = 2 if rests_as_stored else 1
    stored = {name: width for name, width in widths_in_file(header, found).items() if width <= most}
    resting = resting_widths(skeleton, storage, stored | dict.fromkeys(scaled, 1))
    if 1 in resting.values():
        resting = resting_on(place(placement()), resting)
    size = bytes_of(header, found)
    loader = running_loader()

    def load(placement: Placement) -> Any:
        module = build()
        narrow = {name for name, width in resting.items() if width < placement.dtype.itemsize}
        widen_layers(module, narrow)
        with reading(loader, size, label) as on_read:
            fill(
                module,
                file,
                found,
                placement,
                on_read,
                storage=storage,
                narrow=narrow,
                scaled=scaled & narrow,
            )
            return finish(module).to(memory_format=placement.memory_format)

    shapes = {key: tuple(parameter.shape) for key, parameter in skeleton.named_parameters()}
    buffers = sum(buffer.numel() for buffer in skeleton.buffers() if buffer.is_floating_point())
    return Network(label, load, shapes, buffers=buffers, resting=resting, place=place)


def _built(build: Build, label: str) -> torch.nn.Module:
    try:
        return build()
    except (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError) as error:
        raise ModelError(
            f"{label} is described in a way that no network can have: {error}",
            code="model_corrupt",
            hint="Download it again; if it is a folder, with its config.json.",
        ) from error
