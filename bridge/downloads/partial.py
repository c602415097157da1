"""A download on its way: the growing file, and beside it what is needed to go on after a cut.

1. What counts as here is what was flushed to the disk, as the notes beside the file say; after a crash the
   rest is cut off. So a power failure leaves no holes in a file that nobody has a checksum of.
2. The notes belong to a plan: of another file, or another version of it, nothing is taken over.
3. The file becomes the model by one step that fails if there is one of that name.
"""

import contextlib
import errno
import hashlib
import json
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from bridge.downloads.plan import Plan, partial_of, raise_if_there
from bridge.errors import BridgeError
from bridge.models import json_of

CHUNK_BYTES = 1024 * 1024


class Partial:
    """The file that a plan's download grows in, for ``with``.

    Args:
        plan: What is pulled.
        sync_bytes: How much may be lost in a crash.

    Attributes:
        done: Bytes that are here.
        tag: Of the version that they are of, as the server names it.
    """

    def __init__(self, plan: Plan, sync_bytes: int) -> None:
        self.path = partial_of(plan.target)
        self.done = 0
        self.tag = ""
        self._plan = plan
        self._sync_bytes = sync_bytes
        self._synced = 0
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept, tag = self._kept()
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(self.path, flags, 0o644), "r+b")
        kept = kept if self._file.seek(0, os.SEEK_END) >= kept else 0
        self._file.truncate(kept)
        self._file.seek(0)
        while self.done < kept and (chunk := self._file.read(min(CHUNK_BYTES, kept - self.done))):
            self._digest.update(chunk)
            self.done += len(chunk)
        self.tag, self._synced = tag, self.done
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        with contextlib.suppress(OSError):
            self.sync()
        self._close()
        if not self.done:
            self.remove()

    @property
    def sha256(self) -> str:
        """Of what is here."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Add what has arrived."""
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)
        self.done += len(data)
        if self.done - self._synced >= self._sync_bytes:
            self.sync()

    def start(self, count: int) -> bytes:
        """Return the first bytes of what is here."""
        assert self._file is not None
        self._file.seek(0)
        data = self._file.read(count)
        self._file.seek(0, os.SEEK_END)
        return data

    def begin_again(self, tag: str) -> None:
        """Forget what is here, for a file of another version comes."""
        assert self._file is not None
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.done = self._synced = 0
        self.tag = tag

    def sync(self) -> None:
        """Bring everything to the disk, and note how much that is."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._synced = self.done
        said = {**self._name, "tag": self.tag, "done": self.done}
        self._notes.write_text(json.dumps(said), "utf-8")

    def become_model(self) -> None:
        """Give the whole file, which must be on the disk, its name; what has that name already stays.

        Raises:
            BridgeError: ``file_exists``.
        """
        self._close()
        target = self._plan.target
        try:
            if sys.platform == "win32":  # pragma: no cover
                os.rename(self.path, target)  # fails if there is one
            else:
                os.link(self.path, target)
                self.path.unlink()
        except FileExistsError:
            raise_if_there(self._plan)
            raise
        except OSError:  # a file system without links, as on memory cards
            raise_if_there(self._plan)
            os.rename(self.path, target)
        _sync_folder(target.parent)
        self._notes.unlink(missing_ok=True)

    def remove(self) -> None:
        """Leave nothing of it."""
        self._close()
        self.path.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _notes(self) -> Path:
        return self.path.with_name(self.path.name + ".json")

    @property
    def _name(self) -> dict[str, Any]:
        """What tells the file of this plan from any other."""
        plan = self._plan
        return {
            "source": plan.source,
            "bytes": plan.bytes,
            "sha256": plan.sha256,
            "header": plan.header_sha256,
        }

    def _kept(self) -> tuple[int, str]:
        """Return how much is here of this very file, and the version that it is of."""
        try:
            said = json_of(self._notes.read_bytes())
        except OSError:
            return 0, ""
        if not isinstance(said, dict) or any(said.get(key) != value for key, value in self._name.items()):
            return 0, ""
        done, tag = said.get("done"), said.get("tag")
        if not isinstance(done, int) or not isinstance(tag, str) or not 0 <= done <= self._plan.bytes:
            return 0, ""
        # Without a name of the version or a checksum nobody could tell whether the rest fits.
        return (done, tag) if tag or self._plan.sha256 else (0, "")


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":  # which brings a new name to the disk by itself
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def cannot_write(plan: Plan, error: OSError) -> BridgeError:
    """Return what is wrong where a folder cannot be written."""
    is_full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
    return BridgeError(
        f"{plan.target.parent} cannot be written: {error.strerror or error}",
        code="disk_full" if is_full else "bad_folder",
        hint="Is the disk full, or the folder somebody else's? Choose another with --into DIR",
    )
