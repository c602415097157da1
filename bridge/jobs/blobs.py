"""The pictures of jobs, beside their rows: the frame that a job looks at, and the results it handed back.

1. A blob is the messages that carried the pictures, one after the other, framed as on the worker's pipe.
2. It appears whole, by a rename, before the row that speaks of it; what no row speaks of is swept away
   when the queue is opened.
3. It is named by the number of its job's row, so no name comes from outside.
"""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from bridge.engine import ByteSource, framed, read_message, write_pieces
from bridge.errors import RemoteProtocolError
from bridge.protocol import Buffer, Message

FRAME, RESULTS = "frame", "results"


class Blobs(Protocol):
    """Where blobs are."""

    def keep(self, seq: int, kind: str, messages: Sequence[Message]) -> int:
        """Keep messages; return how many bytes that takes.

        Raises:
            OSError: If there is no room; nothing is left behind.
        """

    def load(self, seq: int, kind: str, vocabulary: Mapping[str, type[Message]]) -> list[Message]:
        """Return what is kept: as many messages as can be read."""

    def remove(self, seq: int, kind: str) -> None:
        """Forget what is kept."""

    def sweep(self, known: frozenset[tuple[int, str]]) -> None:
        """Forget all but these."""


class MemoryBlobs:
    """Blobs that die with the process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], list[Buffer]] = {}

    def keep(self, seq: int, kind: str, messages: Sequence[Message]) -> int:
        """Keep messages; their planes are not copied."""
        self._kept[seq, kind] = _pieces(messages)
        return _size(self._kept[seq, kind])

    def load(self, seq: int, kind: str, vocabulary: Mapping[str, type[Message]]) -> list[Message]:
        """Return what is kept."""
        return _read_all(io.BytesIO(b"".join(self._kept.get((seq, kind), []))), vocabulary)

    def remove(self, seq: int, kind: str) -> None:
        """Forget what is kept."""
        self._kept.pop((seq, kind), None)

    def sweep(self, known: frozenset[tuple[int, str]]) -> None:
        """Do nothing: memory begins empty."""


class FileBlobs:
    """Blobs as files of one folder, which only their user may read.

    Args:
        folder: Exists.
        survives_power_cuts: Whether to wait until a file is on the disk before it gets its name.
    """

    def __init__(self, folder: Path, *, survives_power_cuts: bool = False) -> None:
        self._folder = folder
        self._is_synced = survives_power_cuts

    def keep(self, seq: int, kind: str, messages: Sequence[Message]) -> int:
        """Write a file, and give it its name when it is whole."""
        pieces = _pieces(messages)
        path = self._path(seq, kind)
        fresh = path.with_name(f"{path.name}.new")
        try:
            with open(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb", 0) as file:
                write_pieces(file, pieces)
                if self._is_synced:
                    os.fsync(file.fileno())
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            raise
        if self._is_synced:
            _sync_folder(self._folder)
        return _size(pieces)

    def load(self, seq: int, kind: str, vocabulary: Mapping[str, type[Message]]) -> list[Message]:
        """Read a file; one that is not there holds nothing."""
        try:
            with self._path(seq, kind).open("rb", buffering=0) as file:
                return _read_all(file, vocabulary)
        except OSError:
            return []

    def remove(self, seq: int, kind: str) -> None:
        """Remove a file; one that cannot be removed now is swept away later."""
        with suppress(OSError):
            self._path(seq, kind).unlink()

    def sweep(self, known: frozenset[tuple[int, str]]) -> None:
        """Remove what nobody knows, half files included."""
        for path in self._folder.iterdir():
            number, _, kind = path.name.partition(".")
            is_ours = number.isdecimal() and kind.removesuffix(".new") in (FRAME, RESULTS)
            if is_ours and (int(number), kind) not in known:
                with suppress(OSError):
                    path.unlink()

    def _path(self, seq: int, kind: str) -> Path:
        return self._folder / f"{seq}.{kind}"


def _pieces(messages: Sequence[Message]) -> list[Buffer]:
    return [piece for message in messages for piece in framed(message)]


def _size(pieces: Sequence[Buffer]) -> int:
    return sum(memoryview(piece).nbytes for piece in pieces)


def _read_all(source: ByteSource, vocabulary: Mapping[str, type[Message]]) -> list[Message]:
    messages: list[Message] = []
    with suppress(RemoteProtocolError):
        while message := read_message(source, vocabulary):
            messages.append(message)
    return messages


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # Windows opens no folders, and needs none of this
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
