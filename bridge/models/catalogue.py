"""Which models lie in the user's folders, under the names that workflows use.

1. A root may be a ComfyUI folder or its ``models`` folder, or an A1111 folder; both are read as they are.
2. A model's name is its path below its kind's folder, with forward slashes: ``sd15/juggernaut.safetensors``.
   A folder in diffusers' layout is one model, named like the folder.
3. Names come from workflows that strangers made, so a name never leads out of the folders: absolute
   names, ``..`` and links that leave them are refused. A kind's folder itself may be a link.
4. The built-in demo model, and models in packages of the Python registry, are found under names of
   their own, and no file can shadow them.
5. A root may also be the settings file of the folders that the user has added (``bridge.models.registered``).
   One that cannot be understood is passed over, with a warning in the log.
"""

import difflib
import functools
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from bridge.errors import InputError, ModelError, ModelNotFound, sound
from bridge.graph import TINY_VAES
from bridge.models.digest import digest_of
from bridge.models.packaged import package_hint, packaged_models
from bridge.models.registered import ModelFolder, is_registry, read_registered
from bridge.paths import parts_of

log = logging.getLogger(__name__)

FOLDERS: Mapping[str, tuple[str, ...]] = {
    "checkpoints": ("checkpoints", "Stable-diffusion"),
    "vae": ("vae", "VAE"),
    "loras": ("loras", "Lora", "LyCORIS"),
    "controlnet": ("controlnet", "ControlNet"),
    "text_encoders": ("text_encoders", "clip"),
    "diffusion_models": ("diffusion_models", "unet"),
    "embeddings": ("embeddings",),
    "upscale_models": ("upscale_models", "ESRGAN", "RealESRGAN", "SwinIR"),
    "clip_vision": ("clip_vision",),
    "style_models": ("style_models",),
    "diffusers": ("diffusers",),
    "vae_approx": ("vae_approx", "VAE-approx"),
    "hypernetworks": ("hypernetworks",),
    "gligen": ("gligen",),
    "ipadapter": ("ipadapter", "ipadapter-flux", "xlabs/ipadapters"),
    "ipadapter-flux": ("ipadapter-flux", "ipadapter"),
    "xlabs_ipadapters": ("xlabs/ipadapters", "ipadapter"),
    "photomaker": ("photomaker",),
    "inpaint": ("inpaint",),
    "depth": ("depth", "depth_anything", "depthanything"),
}
"""A kind of model, by ComfyUI's name → the folders of ComfyUI and A1111 where it lies."""

ALIASES: Mapping[str, str] = {"clip": "text_encoders", "unet": "diffusion_models"}

_BUILTIN: Mapping[str, Mapping[str, str]] = {
    "checkpoints": {"framebridge-demo": "."},
    "controlnet": {
        "framebridge-demo-canny": "controlnet_canny",
        "framebridge-demo-depth": "controlnet_depth",
    },
    "loras": {"framebridge-demo-chalkboard": "loras/chalkboard.safetensors"},
    "vae": {"pixel_space": "../pixel_space.safetensors"},
}

_PAIRS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "vae": {name: (f"{name}_encoder.safetensors", f"{name}_decoder.safetensors") for name in TINY_VAES}
}
"""Models that are two files of ``vae_approx``; they are found where the first lies."""


class Catalogue:
    """The models in some folders; reads the disk at every question, so that new files appear at once.

    Args:
        roots: Searched in this order; the first match wins.
        builtin: The folder of the demo model; ``None`` without one.
    """

    def __init__(self, roots: Sequence[Path | ModelFolder], builtin: Path | None = None) -> None:
        self._roots = tuple(roots)
        self._builtin = builtin

    def names(self, folder: str) -> list[str]:
        """List the models of a kind, in alphabetical order.

        Args:
            folder: A key of ``FOLDERS`` or ``ALIASES``; one that is neither has no models.
        """
        return list(self.paths(folder))

    def paths(self, folder: str) -> dict[str, Path]:
        """List the models of a kind with the files or folders behind them, in alphabetical order.

        Args:
            folder: As for ``names``.
        """
        bounds = self._bounds
        found = {**{name: parts[0] for name, parts in self._pairs(folder).items()}, **self._builtins(folder)}
        for base in self._bases(folder):
            for name in _models_below(base, bounds):
                found.setdefault(name, _real(base / name))
        return {name: found[name] for name in sorted(found, key=lambda name: (name.lower(), name))}

    def find(self, folder: str, name: str) -> Path:
        """Return the file or diffusers folder behind a name.

        Raises:
            ModelNotFound: If there is none; the message names the nearest.
            ModelError: Code ``bad_path`` if the name leads out of the model folders, or is one that not every
                system can hold.
        """
        if name in self._builtins(folder):
            return self._builtins(folder)[name]
        if name in self._pairs(folder):
            return self._pairs(folder)[name][0]
        relative = _inside(name)
        for base in self._bases(folder):
            path = _real(base / relative)
            if path.exists():
                if not _is_within(path, self._bounds):
                    raise _bad_path(name)
                return path
        raise self._not_found(folder, name)

    def digest(self, folder: str, name: str) -> str:
        """Return the SHA-256 of a model in hexadecimal; read once for every version of a file.

        Raises:
            ModelError: As ``find``.
            OSError: If it cannot be read.
        """
        return digest_of(*self._parts(folder, name))

    def stamp(self, folder: str, name: str) -> tuple[tuple[str, int, int, int], ...]:
        """Return something that changes when the file or folder behind a name does, without reading it.

        Raises:
            ModelError: As ``find``.
        """
        parts = self._parts(folder, name)
        files = sorted(parts[0].rglob("*")) if parts[0].is_dir() else parts
        stats = ((file, file.stat()) for file in files if file.is_file())
        return tuple((str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino) for file, stat in stats)

    def _builtins(self, folder: str) -> dict[str, Path]:
        folder = ALIASES.get(folder, folder)
        found = packaged_models(folder)
        if self._builtin is not None:
            for name, place in _BUILTIN.get(folder, {}).items():
                found[name] = (self._builtin / place).resolve()
        return found

    def _parts(self, folder: str, name: str) -> list[Path]:
        """The files, or the folder, that are one model."""
        path = self.find(folder, name)
        pair = self._pairs(folder).get(name, [])
        return pair if path in pair else [path]

    def _pairs(self, folder: str) -> dict[str, list[Path]]:
        """The models that are two files, where both are there and side by side."""
        found: dict[str, list[Path]] = {}
        for name, parts in _PAIRS.get(folder, {}).items():
            for base in self._bases("vae_approx"):
                files = [_real(base / part) for part in parts]
                if all(file.is_file() and _is_within(file, self._bounds) for file in files):
                    found.setdefault(name, files)
        return found

    def _bases(self, folder: str) -> Iterator[Path]:
        """The folders where models of a kind lie, links followed."""
        kind = ALIASES.get(folder, folder)
        for root in self.folders:
            yield from (_real(place) for place in root.places.get(kind, ()))
            for parent in (root.path, root.path / "models"):
                listed = _children(parent)
                for place in FOLDERS.get(kind, ()):
                    # On a file system that ignores case, "vae" and "VAE" are one folder.
                    if place.split("/")[0] in listed:
                        yield _real(parent / place)

    @property
    def folders(self) -> tuple[ModelFolder, ...]:
        """The folders that are searched, in this order; those that the user has added among them."""
        return tuple(folder for root in self._roots for folder in _folders_of(root))

    @property
    def _bounds(self) -> tuple[Path, ...]:
        return tuple({base for folder in FOLDERS for base in self._bases(folder)})

    def _not_found(self, folder: str, name: str) -> ModelNotFound:
        names = self.names(folder)
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        places = ", ".join(str(root.path) for root in self.folders) or "no model folder"
        return ModelNotFound(
            f'"{name}" is not among the {folder} in {places}'
            + (f'; nearest: "{nearest[0]}"' if nearest else ""),
            hint=package_hint(folder, name)
            or (
                "Put it into the folder, or choose one that is there."
                if self._roots
                else "Name your model folder with --models DIR."
            ),
        )


def _folders_of(root: Path | ModelFolder) -> tuple[ModelFolder, ...]:
    if isinstance(root, ModelFolder):
        return (root,)
    try:
        return read_registered(root) if is_registry(root) else (ModelFolder(root),)
    except ModelError as error:
        _warn_once(str(error.problem))
        return ()


@functools.lru_cache
def _warn_once(text: str) -> None:
    """Log a warning, but not at each of the many questions that a catalogue answers."""
    log.warning("%s", text)


def _real(path: Path) -> Path:
    """Follow links; one that leads to itself, over which ``Path.resolve`` stumbles, stays as it is."""
    return Path(os.path.realpath(path))


def _children(folder: Path) -> set[str]:
    try:
        return set(os.listdir(folder))
    except OSError:
        return set()


def _models_below(base: Path, bounds: Sequence[Path]) -> Iterator[str]:
    """Names of the safetensors files and diffusers folders below a folder."""
    for place, folders, files in os.walk(base):
        here = Path(place)
        if here != base and _is_diffusers(files):
            folders.clear()
            yield here.relative_to(base).as_posix()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            path = here / name
            if name.lower().endswith(".safetensors") and _is_within(_real(path), bounds):
                yield path.relative_to(base).as_posix()


def _is_diffusers(files: Sequence[str]) -> bool:
    return "model_index.json" in files or (
        "config.json" in files and any(name.endswith(".safetensors") for name in files)
    )


def _inside(name: str) -> PurePosixPath:
    """Turn a workflow's name into a relative path, or refuse it."""
    try:
        return PurePosixPath(*parts_of(name))
    except InputError as error:
        path = PureWindowsPath(name)  # which knows both kinds of slashes
        raise (_bad_path(name) if path.root or ".." in path.parts else _odd_name(name)) from error


def _is_within(path: Path, bounds: Sequence[Path]) -> bool:
    return any(path.is_relative_to(bound) for bound in bounds)


def _bad_path(name: str) -> ModelError:
    return ModelError(
        f'"{sound(name)[:200]}" leads out of the model folders',
        code="bad_path",
        hint="Name a model by its place below its folder.",
    )


def _odd_name(name: str) -> ModelError:
    return ModelError(
        f'"{sound(name)[:200]}" is not a name that a model can have',
        code="bad_path",
        hint="Rename it: without colons and control characters, a dot or space at the end of a part, "
        "or the name of a device, and not too long.",
    )
