"""A plane that came as OpenEXR: the channels of an engine's file as the array that the wire means."""

from collections.abc import Collection, Mapping

import numpy as np

from bridge.errors import InputError
from bridge.imaging.arrays import DTYPES, Array
from bridge.imaging.exr import read_exr
from bridge.protocol import Plane

CHANNELS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "depth": (("Z",), ("Y",), ("R",)),
    "normal": (("R", "G", "B"), ("X", "Y", "Z")),
    "object_id": (("R",), ("Y",), ("ID",)),
    "mask": (("R",), ("Y",), ("A",)),
}
"""The channels that may hold a plane, by the last part of their names; the first set that is there."""

MOST_SHOWN = 12
"""Names of channels in a message."""

OTHER: tuple[tuple[str, ...], ...] = (("R", "G", "B"), ("Y",), ("R",))


def unpack_exr(plane: Plane) -> Array:
    """Return what an OpenEXR file says about a plane.

    Returns:
        An array of the plane's shape and dtype: depth in metres with ``inf`` for the sky, normals in the
        camera's axes.

    Raises:
        InputError: ``bad_image`` where it cannot be read, has other channels or holds other numbers;
            ``size_mismatch`` where it has another size than described.
    """
    what = f"plane {plane.name!r}"
    wanted = 3 if len(plane.shape) == 3 else 1
    names: list[str] = []

    def choose(sizes: Mapping[str, tuple[int, int]]) -> list[str]:
        names.extend(_chosen(sizes, plane.name, wanted, what))
        for width, height in (sizes[name] for name in names):
            if (height, width) != plane.shape[:2]:
                raise InputError(
                    f"{what} is described as {plane.shape[1]}×{plane.shape[0]}, its exr is {width}×{height}",
                    code="size_mismatch",
                )
        return names

    channels = read_exr(plane.data, what, choose)
    array = channels[names[0]] if wanted == 1 else np.stack([channels[name] for name in names], axis=-1)
    if array.shape != plane.shape:
        raise InputError(
            f"{what} is described as {plane.shape}, its exr holds {array.shape}", code="size_mismatch"
        )
    return _turned(array, plane, what)


def _chosen(channels: Collection[str], name: str, count: int, what: str) -> list[str]:
    """Return the channels of a plane; where several layers have them, of the one that is named after it."""
    layers: dict[str, dict[str, str]] = {}
    for full in channels:
        layer, _, last = full.rpartition(".")
        layers.setdefault(layer, {})[last.upper()] = full
    sets = [parts for parts in CHANNELS.get(name, OTHER) if len(parts) == count]
    for layer in sorted(layers, key=lambda layer: (name not in layer.lower(), layer)):
        for parts in sets:
            if all(part in layers[layer] for part in parts):
                return [layers[layer][part] for part in parts]
    wanted = " or ".join(", ".join(parts) for parts in sets) or f"{count} channels"
    raise InputError(
        f"{what} is OpenEXR with the channels {_listed(channels)}, and needs {wanted}",
        code="bad_image",
        hint="Write it from the pass that the plane is named after.",
    )


def _listed(channels: Collection[str]) -> str:
    shown = [name[:40] if name.isprintable() else repr(name[:40]) for name in sorted(channels)[:MOST_SHOWN]]
    more = len(channels) - len(shown)
    return (", ".join(shown) or "none") + (f" and {more} more" if more else "")


def _turned(array: Array, plane: Plane, what: str) -> Array:
    """Return the numbers of a file as those of the wire."""
    dtype = DTYPES[plane.dtype]
    if dtype.kind == "u":
        return _whole(array, dtype, what)
    numbers = array.astype(np.float32)
    if plane.name == "depth":
        sky = ~np.isfinite(numbers) | (numbers >= (np.inf if plane.sky is None else plane.sky))
        numbers *= np.float32(plane.scale or 1.0)
        numbers[sky] = np.inf
    if plane.rotation is not None:
        numbers = numbers @ np.array(plane.rotation, np.float32).reshape(3, 3).T
    return numbers.astype(dtype, copy=False)


def _whole(array: Array, dtype: "np.dtype[np.generic]", what: str) -> Array:
    rounded = np.rint(np.nan_to_num(array.astype(np.float64), nan=-1.0))
    if rounded.min() < 0 or rounded.max() > np.iinfo(dtype).max:  # type: ignore[type-var]
        raise InputError(
            f"{what} holds numbers from {rounded.min():g} to {rounded.max():g}, which are no {dtype.name}",
            code="bad_image",
        )
    return rounded.astype(dtype)
