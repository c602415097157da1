"""SHA-256 of models, remembered by path, size, date and inode so that no version is read twice."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from bridge.files import replace_file

_remembered: dict[str, str] = {}
_memory_seen = 0.0
"""When the file behind it had last been written when it was read."""


def digest_of(path: Path, *more: Path) -> str:
    """Return the SHA-256 of a file, or of the safetensors files of a folder in order of their names.

    Args:
        path: The file or folder.
        more: Files that belong to it, in the same folder.

    Raises:
        OSError: If it cannot be read.
    """
    if more:
        return _digest_of_parts(path.parent, (path, *more))
    if path.is_dir():
        return _digest_of_parts(path, sorted(path.rglob("*.safetensors")))
    key = _key(path)
    if key not in _remembered:
        _remembered.update(_read_memory())
    if key not in _remembered:
        with path.open("rb") as file:
            _remembered[key] = hashlib.file_digest(file, "sha256").hexdigest()
        _write_memory(key)
    return _remembered[key]


def known_digest(path: Path) -> str:
    """Return the SHA-256 of a file if this version of it was read before; else nothing, unread."""
    global _memory_seen
    try:
        key, written = _key(path), _memory_file().stat().st_mtime
    except OSError:
        return ""
    if key not in _remembered and written != _memory_seen:
        _memory_seen = written
        _remembered.update(_read_memory())
    return _remembered.get(key, "")


def remember_digest(path: Path, digest: str) -> None:
    """Note the SHA-256 of a file that somebody has read just now."""
    key = _key(path)
    _remembered[key] = digest
    _write_memory(key)


def _key(path: Path) -> str:
    stat = path.stat()
    return f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"


def _digest_of_parts(folder: Path, parts: Sequence[Path]) -> str:
    lines = [f"{part.relative_to(folder).as_posix()} {digest_of(part)}" for part in parts]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _memory_file() -> Path:
    return user_cache_path("framebridge", appauthor=False) / "digests.json"


def _read_memory() -> dict[str, str]:
    try:
        data = json.loads(_memory_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # a cache: nothing is lost but time
    return {str(key): str(value) for key, value in data.items()} if isinstance(data, dict) else {}


def _write_memory(key: str) -> None:
    file = _memory_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=5):
            known = _read_memory() | {key: _remembered[key]}
            replace_file(file, json.dumps(known, indent=0).encode())
    except (OSError, TimeoutError):
        return  # a cache that cannot be written costs time, not the job
