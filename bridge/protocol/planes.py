"""What a plane may be: dtypes, codecs, and the forms of the planes that version 1 names.

A plane of another name may have any form; whoever sends it and whoever reads it agree among themselves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from .schema import Bounds, Length, OneOf, Place, quoted, read_fields

ITEM_BYTES: Mapping[str, int] = {"u8": 1, "u16": 2, "u32": 4, "f16": 2, "f32": 4}
"""Plane dtypes, all little-endian, and their size."""

CODECS = frozenset({"raw", "exr", "jpeg", "png", "webp"})
"""How the bytes of a plane are packed; ``raw`` is C-contiguous, ``exr`` is an OpenEXR file."""

LOCATIONS = frozenset({"inline"})
"""Where the bytes of a plane lie; ``inline`` is in the envelope itself."""

TURNED_BY: Mapping[str, str] = {"scale": "depth", "sky": "depth", "rotation": "normal"}
"""What turns an engine's own numbers into those of the wire, and the plane that it is for."""

MAX_SIDE = 16_384
"""Pixels; the largest width or height."""

MAX_PLANES = 256
"""Planes in one message."""

_PACKED_DTYPES: Mapping[str, tuple[str, ...]] = {"jpeg": ("u8",), "webp": ("u8",), "png": ("u8", "u16")}


@dataclass(frozen=True, slots=True)
class Form:
    """What a named plane looks like.

    Args:
        dtypes: Keys of ``ITEM_BYTES``.
        channels: 0 stands for shape (H, W).
        is_picture: Whether lossy codecs may pack it: people look at it, nothing is computed from it.
    """

    dtypes: tuple[str, ...]
    channels: tuple[int, ...]
    is_picture: bool = False


FORMS: Mapping[str, Form] = {
    "color": Form(("u8",), (3, 4), is_picture=True),
    "depth": Form(("f32", "u16"), (0,)),
    "canny": Form(("u8",), (0,)),
    "normal": Form(("f32", "f16", "u8"), (3,)),
    "object_id": Form(("u32", "u16", "u8"), (0,)),
    "object_ranks": Form(("u16", "u32"), (1, 2, 3, 4)),
    "object_shares": Form(("u8",), (1, 2, 3, 4)),
    "material_ranks": Form(("u16", "u32"), (1, 2, 3, 4)),
    "material_shares": Form(("u8",), (1, 2, 3, 4)),
    "mask": Form(("u8", "f32"), (0,)),
    "motion": Form(("f32", "f16"), (2,)),
    "image": Form(("u8",), (3, 4), is_picture=True),
    "preview": Form(("u8",), (3, 4), is_picture=True),
}


@dataclass(frozen=True, slots=True)
class Description:
    """A plane without its bytes, as the header of an envelope holds it.

    Args:
        name: Any; those in ``FORMS`` have a fixed meaning.
        location: One of ``LOCATIONS``.
        dtype: A key of ``ITEM_BYTES``.
        shape: (H, W) or (H, W, C).
        codec: One of ``CODECS``.
        bytes: As packed.
        near: Metres; see ``Plane``.
        far: Metres; see ``Plane``.
        scale: See ``Plane``; likewise the rest.
    """

    name: Annotated[str, Length(1, 64)]
    location: str
    dtype: Annotated[str, OneOf(*ITEM_BYTES)]
    shape: Annotated[tuple[int, ...], Length(2, 3)]
    codec: Annotated[str, OneOf(*sorted(CODECS))]
    bytes: int
    near: float | None = None
    far: float | None = None
    scale: Annotated[float, Bounds(1e-9, 1e9)] | None = None
    sky: Annotated[float, Bounds(1e-9, 1e38)] | None = None
    rotation: Annotated[tuple[Annotated[float, Bounds(-1.001, 1.001)], ...], Length(9, 9)] | None = None

    @classmethod
    def read(cls, value: Any, place: Place) -> "Description":
        """Read and check a description.

        Raises:
            RemoteProtocolError: ``bad_message``, ``unsupported_location`` or ``size_mismatch``.
        """
        described = cls(**read_fields(cls, value, place))
        if described.location not in LOCATIONS:
            message = f"location {quoted(described.location)} is not supported"
            hint = f"This version knows {', '.join(sorted(LOCATIONS))}."
            raise place.fault(message, code="unsupported_location", hint=hint)
        if fault := described._form_fault():
            raise place.fault(fault)
        if fault := described._size_fault():
            raise place.fault(fault, code="size_mismatch")
        return described

    def _form_fault(self) -> str:
        channels = self.shape[2] if len(self.shape) == 3 else 1
        if not all(1 <= side <= MAX_SIDE for side in self.shape[:2]) or not 1 <= channels <= 4:
            return f"shape {self.shape} is not 1…{MAX_SIDE} pixels a side and 1…4 channels"
        if fault := find_form_fault(self.name, self.dtype, self.shape, self.codec):
            return fault
        if self.name == "depth" and self.dtype == "u16" and not 0 < (self.near or 0) < (self.far or 0):
            return "depth as u16 needs 0 < near < far, in metres"
        for field, name in TURNED_BY.items():
            if getattr(self, field) is not None and (self.codec != "exr" or self.name != name):
                return f"{field} is for {name} as exr only"
        return ""

    def _size_fault(self) -> str:
        expected = unpacked_bytes(self.shape, self.dtype)
        if self.codec == "raw" and self.bytes != expected:
            plane = f"{quoted(self.name)} of shape {self.shape} as {self.dtype}"
            return f"{plane} is {expected} B, header says {self.bytes} B"
        return "" if self.bytes else f"{quoted(self.name)} has no bytes"


def find_form_fault(name: str, dtype: str, shape: tuple[int, ...], codec: str) -> str:
    """Say what is wrong with the form of a plane; empty if nothing is.

    Args:
        name: Any.
        dtype: A key of ``ITEM_BYTES``.
        shape: (H, W) or (H, W, C).
        codec: One of ``CODECS``.
    """
    if dtype not in _PACKED_DTYPES.get(codec, ITEM_BYTES):
        return f"{codec} cannot hold {dtype}"
    form = FORMS.get(name)
    if form is None:
        return ""
    if dtype not in form.dtypes:
        return f"{name} is {_any_of(form.dtypes)}, not {dtype}"
    channels = shape[2] if len(shape) == 3 else 0
    if channels not in form.channels:
        wanted = _any_of(tuple(f"(H, W, {count})" if count else "(H, W)" for count in form.channels))
        return f"{name} has shape {wanted}, not {shape}"
    if codec in ("jpeg", "webp") and not form.is_picture:
        return f"{codec} is lossy, and {name} must arrive as it was"
    return ""


def unpacked_bytes(shape: tuple[int, ...], dtype: str) -> int:
    """Return the size of a raw plane."""
    return math.prod(shape) * ITEM_BYTES[dtype]


def _any_of(options: tuple[str, ...]) -> str:
    return " or ".join(options)
