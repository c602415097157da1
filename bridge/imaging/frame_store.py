"""Captured frames by content hash, so that a saved picture can be made again. Old ones go first."""

import os
import re
import threading
from pathlib import Path

from bridge.errors import InputError
from bridge.files import write_temporary
from bridge.imaging.frame_file import pack_frame, unpack_frame
from bridge.protocol import Frame

DEFAULT_LIMIT_BYTES = 2 * 1024**3

_DIGEST = re.compile(r"[0-9a-f]{64}")


class FrameStore:
    """A folder of frames named by their digest, bounded in size.

    1. A file appears whole, by a rename; two processes may share the folder.
    2. Keeping or loading a frame makes it the youngest; beyond the limit the oldest are removed.
    3. The youngest frame stays, however large it is.

    Args:
        folder: Made when first needed.
        limit_bytes: Size of all files together.
    """

    def __init__(self, folder: Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._bytes_used: int | None = None  # unknown until the folder was listed
        self._lock = threading.Lock()

    def keep(self, frame: Frame) -> str:
        """Store a frame and return its digest.

        Raises:
            OSError: If the disk is full or the folder cannot be written.
        """
        digest = frame.digest
        path = self._path(digest)
        try:
            os.utime(path)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary = write_temporary(self._folder, pack_frame(frame))
            temporary.replace(path)
            self._make_room(path)
        return digest

    def load(self, digest: str) -> Frame:
        """Return the frame of that digest.

        Raises:
            InputError: ``frame_missing`` where it is not here any more; ``bad_frame`` where the file is
                damaged.
        """
        path = self._path(digest)
        try:
            data = path.read_bytes()
            os.utime(path)
        except OSError as error:
            raise InputError(
                f"the frame {digest[:12]}… that this picture was made from is not kept here",
                code="frame_missing",
                hint="Frames are kept on the machine that saved the picture, and the oldest go when space "
                "is short. Capture the view again, or give the frame as a file.",
            ) from error
        frame = unpack_frame(data, path.name)
        if frame.digest != digest:
            raise InputError(f"the kept frame {digest[:12]}… is damaged", code="bad_frame")
        return frame

    def _path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise InputError(f"{digest[:80]!r} is no frame's digest", code="frame_missing")
        return self._folder / f"{digest}.npz"

    def _make_room(self, newest: Path) -> None:
        with self._lock:
            if self._bytes_used is not None:
                self._bytes_used += newest.stat().st_size
                if self._bytes_used <= self._limit_bytes:
                    return
            files = sorted(
                (entry.stat().st_mtime_ns, entry.stat().st_size, entry.name) for entry in self._list()
            )
            self._bytes_used = sum(size for _, size, _ in files)
            for _, size, name in files:
                if self._bytes_used <= self._limit_bytes or name == newest.name:
                    continue
                (self._folder / name).unlink(missing_ok=True)
                self._bytes_used -= size

    def _list(self) -> "list[os.DirEntry[str]]":
        with os.scandir(self._folder) as entries:
            return [entry for entry in entries if entry.name.endswith(".npz")]
