"""``folder_paths``: where models, pictures and previews lie, and what is there.

1. Folders are those of the worker's settings, and what packs write into ``folder_names_and_paths``.
2. Of a kind of ours, safetensors are listed, whatever a pack writes there; of a kind of a pack's own, what
   has one of the suffixes that it wrote, or every file if it wrote none.
3. A name from a workflow never leads out of the folders.
4. ``get_filename_list`` says which folder it lists, so that an input made of it stays up to date; a kind of a
   pack's own is known to nobody else.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Any

from bridge.builtin import model_folder
from bridge.errors import BridgeError, ModelNotFound
from bridge.graph import PICTURE_FOLDERS
from bridge.imaging import expand_prefix
from bridge.models import FOLDERS, Catalogue
from bridge.packs.inputs import FolderNames
from bridge.paths import beginning_in, resolve_in, split_annotation

SUFFIXES = frozenset({".safetensors", ".sft"})

PACK_SUFFIXES = frozenset({*SUFFIXES, ".ckpt", ".pt", ".pt2", ".bin", ".pth", ".pkl"})
"""What packs take for the suffixes of models, where they list a kind of their own by them."""

_KINDS = {
    "image": {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"},
    "video": {".mp4", ".webm", ".mov", ".mkv", ".avi"},
    "audio": {".wav", ".mp3", ".flac", ".ogg", ".m4a"},
    "model": {".safetensors", ".gltf", ".glb", ".obj", ".fbx", ".stl"},
}


class FolderPaths:
    """The functions of the module, for one worker.

    Args:
        settings: ``models`` (list), ``input``, ``output``, ``temp``.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._homes = {name: Path(settings.get(name) or ".") for name in PICTURE_FOLDERS}
        self._roots = [Path(root) for root in settings.get("models") or ()]
        self._catalogue = Catalogue(self._roots, model_folder())
        first = next((root for root in self._roots if root.is_dir()), self._homes["input"].parent / "models")
        self.models_dir = str(first)
        self.base_path = str(self._homes["input"].parent)
        self.supported_pt_extensions = set(PACK_SUFFIXES)
        self.folder_names_and_paths: dict[str, tuple[list[str], set[str]]] = {}
        for kind in FOLDERS:
            self.folder_names_and_paths[kind] = (self.get_folder_paths(kind), set(SUFFIXES))

    def names(self) -> dict[str, Any]:
        """Return what the module holds, by name."""
        hidden = {"names"}
        return {name: getattr(self, name) for name in dir(self) if name[0] != "_" and name not in hidden}

    # ---- pictures ----------------------------------------------------------------------------

    def get_input_directory(self) -> str:
        """Return the folder of pictures that workflows may open."""
        return str(self._homes["input"])

    def get_output_directory(self) -> str:
        """Return the folder of what is kept."""
        return str(self._homes["output"])

    def get_temp_directory(self) -> str:
        """Return the folder of previews."""
        return str(self._homes["temp"])

    def get_user_directory(self) -> str:
        """Return a folder where packs may keep settings of their users."""
        folder = self._homes["input"].parent / "user"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def get_directory_by_type(self, type_name: str) -> str | None:
        """Return a folder by ``input``, ``output`` or ``temp``."""
        home = self._homes.get(type_name)
        return None if home is None else str(home)

    def get_annotated_filepath(self, name: str, default_dir: str | None = None) -> str:
        """Return the path behind a name such as ``shot.png [output]``.

        Raises:
            InputError: ``bad_path`` if it leads out of the folder.
        """
        folder, bare = split_annotation(name, "")
        root = self._homes[folder] if folder else Path(default_dir or self._homes["input"])
        return str(resolve_in(root, bare))

    def exists_annotated_filepath(self, name: str) -> bool:
        """Whether there is such a file."""
        try:
            return Path(self.get_annotated_filepath(name)).exists()
        except BridgeError:
            return False

    def annotated_filepath(self, name: str) -> tuple[str, str | None]:
        """Split a name such as ``shot.png [output]`` into the name and the folder's path."""
        folder, bare = split_annotation(name, "")
        return bare, str(self._homes[folder]) if folder else None

    def get_save_image_path(
        self, filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
    ) -> tuple[str, str, int, str, str]:
        """Return where to save: folder, beginning of the name, next number, subfolder, prefix.

        Raises:
            InputError: ``bad_path`` if it leads out of the folder.
        """
        prefix = expand_prefix(filename_prefix, image_width, image_height, datetime.now())
        stem = beginning_in(Path(output_dir), prefix)
        stem.parent.mkdir(parents=True, exist_ok=True)
        numbers = (_number(path.name, stem.name) for path in stem.parent.iterdir())
        subfolder = Path(prefix).parent.as_posix()
        counter = max(numbers, default=0) + 1
        return str(stem.parent), stem.name, counter, "" if subfolder == "." else subfolder, filename_prefix

    # ---- models ------------------------------------------------------------------------------

    def get_folder_paths(self, folder_name: str) -> list[str]:
        """Return the folders of a kind of model: those written down, and those of ours that exist."""
        written, _ = self._written(folder_name)
        ours = () if written and folder_name not in FOLDERS else self._ours(folder_name)
        found = dict.fromkeys([*map(str, written), *(str(path) for path in ours if path.is_dir())])
        return list(found) or [str(Path(self.models_dir) / _spellings(folder_name)[0])]

    def add_model_folder_path(
        self, folder_name: str, full_folder_path: str, is_default: bool = False
    ) -> None:
        """Look for a kind of model in one more folder."""
        folders, _ = self.folder_names_and_paths.setdefault(folder_name, ([], set()))
        if full_folder_path not in folders:
            folders.insert(0 if is_default else len(folders), full_folder_path)

    def get_filename_list(self, folder_name: str) -> FolderNames:
        """Return the names of the models of a kind."""
        added = [name for folder in self._added(folder_name) for name in self._names(folder_name, folder)]
        names = dict.fromkeys([*self._catalogue.names(folder_name), *added])
        return FolderNames(list(names), "" if added or folder_name not in FOLDERS else folder_name)

    def get_full_path(self, folder_name: str, filename: str) -> str | None:
        """Return the file behind a model's name; ``None`` if there is none."""
        try:
            return str(self._catalogue.find(folder_name, filename))
        except BridgeError:
            added = self._added(folder_name)
            found = (folder / filename for folder in added if filename in self._names(folder_name, folder))
            return next(map(str, found), None)

    def get_full_path_or_raise(self, folder_name: str, filename: str) -> str:
        """Return the file behind a model's name.

        Raises:
            ModelNotFound: If there is none.
        """
        path = self.get_full_path(folder_name, filename)
        if path is None:
            which = "; safetensors only" if folder_name in FOLDERS else ""
            raise ModelNotFound(f'"{filename}" is not in {folder_name}/', hint=f"Put the file there{which}.")
        return path

    def filter_files_extensions(self, files: Any, extensions: Any) -> list[str]:
        """Return the names that end with one of some suffixes."""
        wanted = {suffix.lower() for suffix in extensions}
        return sorted(name for name in files if not wanted or Path(name).suffix.lower() in wanted)

    def filter_files_content_types(self, files: Any, content_types: Any) -> list[str]:
        """Return the names of ``image``, ``video``, ``audio`` or ``model`` files."""
        wanted = set().union(*(_KINDS.get(kind, set()) for kind in content_types))
        return [name for name in files if Path(name).suffix.lower() in wanted]

    def _written(self, kind: str) -> tuple[Sequence[str], Set[str]]:
        """Return the folders and suffixes of a kind as they stand where packs write them."""
        folders, suffixes = self.folder_names_and_paths.get(kind, ((), SUFFIXES))
        return folders, suffixes

    def _ours(self, kind: str) -> list[Path]:
        """Return where a kind may lie below the folders of the settings."""
        return [root / spelling for root in self._roots for spelling in _spellings(kind)]

    def _added(self, kind: str) -> Iterator[Path]:
        """Yield the folders that packs have written down."""
        ours = {*self._ours(kind), Path(self.models_dir) / _spellings(kind)[0]} if kind in FOLDERS else ()
        for folder in self._written(kind)[0]:
            if Path(folder) not in ours:
                yield Path(folder)

    def _names(self, kind: str, folder: Path) -> Iterator[str]:
        """Yield the names of what is listed of a folder (rule 2)."""
        suffixes = SUFFIXES if kind in FOLDERS else {suffix.lower() for suffix in self._written(kind)[1]}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and (not suffixes or path.suffix.lower() in suffixes):
                yield path.relative_to(folder).as_posix()


def _spellings(kind: str) -> Sequence[str]:
    return FOLDERS.get(kind, (kind,))


def _number(name: str, stem: str) -> int:
    """Return the number of a file ``<stem>_00012_.png``; 0 for any other."""
    digits = name.removeprefix(f"{stem}_").split("_")[0] if name.startswith(f"{stem}_") else ""
    return int(digits) if digits.isdecimal() else 0
