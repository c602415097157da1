"""Pictures from outside: judged by content, bounded before they are decoded, brought to one form."""

import io
import logging
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from bridge.errors import InputError
from bridge.imaging.arrays import Array, Image, Mask
from bridge.imaging.colour import to_floats
from bridge.imaging.resize import MAX_BATCH_PIXELS, MAX_SIDE
from bridge.protocol import Buffer

FORMATS = ("PNG", "JPEG", "WEBP")
"""What is read; everything else is refused by content, whatever its name."""

MAX_PIXELS = 8192 * 4096
"""Of one file."""

MAX_FRAMES = 4096
"""Of an animation; a batch has no more."""

MIN_SIDE = 16

_log = logging.getLogger(__name__)

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What Pillow raises over damaged files."""

_SIGNATURES = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"8BPS", "PSD"),
    (b"%!PS", "EPS"),
    (b"%PDF", "PDF"),
    (b"v/1\x01", "EXR"),
    (b"#?RADIANCE", "HDR"),
    (b"version https://git-lfs", "a git-lfs pointer"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as nodes want it.

    Args:
        image: Shape (H, W, 3), 0..1; under transparent pixels, whatever the file holds there.
        alpha: Shape (H, W), 0..1, 1 is opaque; ``None`` where the file has none.
    """

    image: Image
    alpha: Mask | None


def read_picture(path: Path) -> Picture:
    """Read a PNG, JPEG or WebP file, turned upright; of an animation, the first frame.

    Pictures of 16 bits keep their precision where they are grey; palettes, CMYK and grey become RGB.

    Raises:
        InputError: ``bad_image``, ``image_too_large``, ``image_too_small`` or ``unsupported_image``;
            ``image_not_found`` where there is no such file.
    """
    return _read(path, 1)[0]


def read_pictures(path: Path) -> list[Picture]:
    """Read a picture as ``read_picture`` does, or all frames of an animation.

    Raises:
        InputError: As ``read_picture``; ``image_too_large`` also where there are too many frames.
    """
    return _read(path, MAX_FRAMES)


def _read(path: Path, most: int) -> list[Picture]:
    """Read the first frame, or, where more are wanted, all of them."""
    what = f"picture {path.name!r}"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{what} cannot be read: {error.strerror}",
            code="image_not_found",
            hint="Upload it, or choose a picture that is there.",
        ) from error
    picture = open_picture(data, FORMATS, what)
    is_animation = most > 1 and picture.format != "MPO"  # a camera's JPEG with previews in it
    count = getattr(picture, "n_frames", 1) if is_animation else 1
    if count > most or count * picture.width * picture.height > MAX_BATCH_PIXELS:
        raise InputError(
            f"{what} has {count} frames of {picture.width}×{picture.height}, which are too many",
            code="image_too_large",
            hint="Cut it into shorter animations.",
        )
    frames = []
    try:
        for index in range(count):
            if count > 1:
                picture.seek(index)
            frames.append(_convert(ImageOps.exif_transpose(picture), path.name))
    except _BROKEN as error:
        raise _broken(what, error) from error
    return frames


def decode_picture(data: Buffer, what: str) -> Picture:
    """Read a picture as ``read_picture`` does, from the bytes of a file.

    Raises:
        InputError: As ``read_picture``.
    """
    picture = open_picture(data, FORMATS, what)
    try:
        return _convert(ImageOps.exif_transpose(picture), what)
    except _BROKEN as error:
        raise _broken(what, error) from error


def open_picture(data: Buffer, formats: tuple[str, ...], what: str) -> PillowImage.Image:
    """Decode a picture after its size was found bearable.

    Args:
        data: The file's bytes.
        formats: Pillow's names of the formats allowed.
        what: Names it in messages: ``picture 'a.png'``.

    Raises:
        InputError: As ``read_picture``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PillowImage.DecompressionBombWarning)
            picture = PillowImage.open(io.BytesIO(data), formats=formats)
            check_decodable(picture.size, what)
            picture.load()
    except (PillowImage.DecompressionBombError, PillowImage.DecompressionBombWarning) as error:
        raise InputError(
            f"{what} exceeds {MAX_PIXELS / 1e6:.0f} Mpx",
            code="image_too_large",
            hint="Scale it down in an image editor.",
        ) from error
    except UnidentifiedImageError as error:
        raise _unidentified(bytes(data[:512]), formats, what) from error
    except _BROKEN as error:
        raise _broken(what, error) from error
    return picture


def check_decodable(size: tuple[int, int], what: str) -> None:
    """Refuse a file whose picture is too large to be decoded, or too small to be one.

    Raises:
        InputError: ``image_too_large`` or ``image_too_small``.
    """
    width, height = size
    if width * height > MAX_PIXELS or max(size) > MAX_SIDE:
        raise InputError(
            f"{what} is {width}×{height}, which exceeds {MAX_PIXELS / 1e6:.0f} Mpx or {MAX_SIDE} a side",
            code="image_too_large",
            hint="Scale it down in an image editor.",
        )
    if min(size) < MIN_SIDE:
        raise InputError(
            f"{what} is {width}×{height}; the least is {MIN_SIDE}×{MIN_SIDE}",
            code="image_too_small",
            hint="Scale it up in an image editor.",
        )


def _convert(picture: PillowImage.Image, name: str) -> Picture:
    """Bring any mode of Pillow to RGB and alpha."""
    if picture.mode not in ("RGB", "RGBA", "L"):
        _log.info("picture %r is %s; converted", name, picture.mode)
    if picture.mode.startswith("I"):  # 16-bit grey
        grey = np.clip(np.asarray(picture, np.int64), 0, 65535).astype(np.uint16)
        return Picture(_three(to_floats(grey)), None)
    if picture.has_transparency_data:
        pixels = to_floats(np.asarray(picture.convert("RGBA")))
        return Picture(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]))
    return Picture(to_floats(np.asarray(picture.convert("RGB"))), None)


def _three(grey: Array) -> Image:
    return np.repeat(grey[..., None], 3, axis=2)


def _unidentified(start: bytes, formats: tuple[str, ...], what: str) -> InputError:
    wanted = "/".join(formats)
    found = next((kind for mark, kind in _SIGNATURES if start.startswith(mark)), "")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text:
        found = "SVG"
    elif text.startswith((b"<!doctype html", b"<html")):
        found = "a web page"
    elif start[4:8] == b"ftyp":
        found = "AVIF or HEIC"
    if not start:
        return InputError(f"{what} is empty", code="bad_image", hint="Save or copy it again.")
    if not found:
        return InputError(f"{what} is damaged or no {wanted}", code="bad_image", hint=f"Use {wanted}.")
    return InputError(f"{what} is {found}", code="unsupported_image", hint=f"Use {wanted}.")


def _broken(what: str, error: Exception) -> InputError:
    text = str(error).lower()
    if "text" in text or "too large" in text:  # Pillow's limits on zTXt and iTXt
        return InputError(
            f"{what}: its metadata is too large", code="bad_image", hint="Save it again without metadata."
        )
    if "truncated" in text or "unexpected end" in text or isinstance(error, EOFError | struct.error):
        return InputError(f"{what}: the file ends early", code="bad_image", hint="Save or copy it again.")
    return InputError(f"{what} is damaged: {error}", code="bad_image", hint="Save or copy it again.")
