"""From a file to the handle of an upscaling network, whose kind is told from names and shapes alone."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from bridge import models
from bridge.diffusion.device import Placement
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network
from bridge.diffusion.upscaling.compact import empty_compact
from bridge.diffusion.upscaling.esrgan import empty_esrgan, esrgan_names
from bridge.diffusion.upscaling.foreign import load_foreign, require_spandrel
from bridge.graph import Socket

WRAPPERS = ("module.", "params_ema.", "params-ema.", "params.", "netG.")
"""What training programs put in front of all names."""


@dataclass(frozen=True, slots=True, eq=False)
class Upscaler:
    """A network that enlarges pictures.

    Args:
        network: Takes pictures (B, 3, H, W), range 0..1, to (B, 3, scale·H, scale·W); has an attribute
            ``scale``.
    """

    network: Network[Any]


UpscaleModel = Annotated[Upscaler, Socket("UPSCALE_MODEL")]


def load_upscaler(path: Path, name: str) -> Upscaler:
    """Open an upscaling model: ESRGAN, Real-ESRGAN and its compact networks; others with spandrel.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.

    Raises:
        ModelError: If it is damaged, unsafe, or no upscaling model.
        UnsupportedModel: If it is of another architecture, and spandrel is not installed.
    """
    if models.is_ncnn(path):
        path = models.converted(path, name, models.convert_ncnn)
    header = models.read_header(path)
    label = f'upscaling model "{name}"'
    known = _known(header)
    if known is None:
        models.refuse_other_kinds(header, path.name, "upscaler")
        require_spandrel(header, path.name)
        return Upscaler(Network(label, functools.partial(load_foreign, path), place=Placement.for_pictures))
    build, stored = known
    network = open_network(
        label, build, path, lambda name: [stored.get(name, name)], place=Placement.for_pictures
    )
    return Upscaler(network)


def _known(header: models.Header) -> tuple[Callable[[], Any], dict[str, str]] | None:
    """Return what builds the network, and its parameters' names in the file; ``None`` if it is not ours."""
    bare = _unwrapped(header.tensors)
    for names, empty in ((esrgan_names(bare), empty_esrgan), ({name: name for name in bare}, empty_compact)):
        stored = {ours: bare[theirs] for ours, theirs in names.items()}
        shapes = {ours: header.tensors[name].shape for ours, name in stored.items()}
        build = functools.partial(empty, shapes)
        if build() is not None:
            return build, stored
    return None


def _unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Return name without wrappers → name."""
    bare = {name: name for name in names}
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in bare):
            bare = {name.removeprefix(wrapper): stored for name, stored in bare.items()}
    return bare
