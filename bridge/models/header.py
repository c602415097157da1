"""Reading and checking the header of a safetensors file before anything is loaded from it.

A file is judged by what it contains, never by its name: pickles are refused, and download pages,
git-lfs pointers and half-finished downloads are told from broken files.

Source: https://huggingface.co/docs/safetensors (8-byte little-endian header length, JSON header, data).
"""

import functools
import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from bridge.errors import ModelError

MAX_HEADER_BYTES = 100_000_000
"""The format's own limit."""

ITEM_BITS: Mapping[str, int] = {
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
"""Element types of the format and their size."""

Shape = tuple[int, ...]

Described = TypeVar("Described")


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor of a file: element type, shape, and where its bytes lie after the header."""

    dtype: str
    shape: Shape
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a model file says about itself, checked against the file.

    Args:
        tensors: By name.
        metadata: Free text that the writer added.
    """

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Tensor name → shape."""
        return {name: entry.shape for name, entry in self.tensors.items()}

    @property
    def data_bytes(self) -> int:
        """Size of all tensors together."""
        return max((entry.end for entry in self.tensors.values()), default=0)


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file and check that the file is whole.

    Args:
        path: The file, or the index of a network that is split into several (see ``shards_of``).

    Returns:
        Of several files all tensors, each with its place in its own file.

    Raises:
        ModelError: Code ``unsafe_model`` for pickles, ``model_unreadable`` if the file or one of several is
            not there or may not be read, ``model_corrupt`` for everything else that is not a complete
            safetensors file.
    """
    if not is_index(path):
        return _read_file(path)
    headers = [_read_file(shard) for shard in shards_of(path)]
    tensors = {name: entry for header in headers for name, entry in header.tensors.items()}
    return Header(MappingProxyType(tensors), headers[0].metadata)


def is_index(path: Path) -> bool:
    """Say whether a file lists the parts of a network, as diffusers and transformers split large ones."""
    return ".safetensors.index." in path.name and path.suffix == ".json"


def shards_of(path: Path) -> tuple[Path, ...]:
    """Return the safetensors files that hold a network: those of an index, or the file itself.

    Raises:
        ModelError: Code ``model_corrupt`` if the index cannot be read, or names files of other folders.
    """
    if not is_index(path):
        return (path,)
    try:
        names = {str(name) for name in json.loads(path.read_bytes())["weight_map"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _corrupt(path.name, "is no index of a split network") from error
    if not names or any(not name.endswith(".safetensors") or Path(name).name != name for name in names):
        raise _corrupt(path.name, "names other files than safetensors beside it")
    return tuple(path.with_name(name) for name in sorted(names))


def read_header_from(name: str, read: Callable[[int], bytes], size: int | None = None) -> tuple[Header, int]:
    """Read the header at the beginning of a file or a download, and say how long the whole must be.

    Args:
        name: Of the file, for messages.
        read: Returns as many bytes as are asked for, and fewer at the end only.
        size: Of the file, which is then checked; ``None`` where it is not known.

    Raises:
        ModelError: Code ``unsafe_model`` for pickles, ``model_unsupported`` for formats that are not loaded,
            ``model_corrupt`` for everything else that is no safetensors file.
    """
    start = read(512)
    _refuse_other_formats(name, len(start) if size is None else size, start)
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER_BYTES:
        raise _corrupt(name, f"is no safetensors file: its header claims {_size(length)}")
    if size is not None and 8 + length > size:
        raise _incomplete(name, 8 + length, size, at_least=True)
    text = start[8 : 8 + length]
    text += read(length - len(text))
    if len(text) < length:
        raise _incomplete(name, 8 + length, 8 + len(text), at_least=True)
    header = _parse(name, text)
    expected = 8 + length + header.data_bytes
    if size is not None and size < expected:
        raise _incomplete(name, expected, size)
    if size is not None and size > expected:
        raise _corrupt(name, f"has {_size(size - expected)} behind its last tensor")
    return header, expected


def _read_file(path: Path) -> Header:
    try:
        with path.open("rb") as file:
            return read_header_from(path.name, file.read, os.fstat(file.fileno()).st_size)[0]
    except FileNotFoundError as error:
        raise _unreadable(path, error, "Download all files of the model.") from error
    except OSError as error:
        raise _unreadable(path, error, "Check that its disk is there, and that you may read it.") from error


def describing(describe: Callable[[Header, str], Described]) -> Callable[[Header, str], Described]:
    """Have what describes a file refuse one that lacks a tensor, or has one of too few dimensions.

    Args:
        describe: Takes a header and the file's name, and may look up any tensor as if it were there.
    """

    @functools.wraps(describe)
    def checked(header: Header, name: str) -> Described:
        try:
            return describe(header, name)
        except KeyError as error:
            raise _corrupt(name, f'lacks the tensor "{error.args[0]}"') from error
        except (IndexError, ValueError, ZeroDivisionError) as error:
            raise _corrupt(name, "has a tensor of an impossible shape") from error

    return checked


def _refuse_other_formats(name: str, size: int, start: bytes) -> None:
    text = start.lstrip().lower()
    if size == 0:
        raise _corrupt(name, "is empty")
    if text.startswith(b"version https://git-lfs"):
        raise _corrupt(
            name, "is a git-lfs pointer, not weights", hint='Run "git lfs pull" where it came from.'
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _corrupt(
            name, "is a web page, not weights", hint="Log in where it came from, then download it again."
        )
    if start.startswith(b"GGUF"):
        raise ModelError(
            f'"{name}" is a GGUF file', code="model_unsupported", hint="Use a .safetensors version of it."
        )
    # Zip is what torch.save writes; 0x80 opens a bare pickle of protocol 2 or later.
    is_zip = start.startswith(b"PK\x03\x04")
    is_pickle = start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05"
    if (is_zip or is_pickle) and start[8:9] != b"{":
        raise ModelError(
            f'"{name}" is a pickle file, which can run code when it is opened',
            code="unsafe_model",
            hint="Only safetensors files are loaded; get a .safetensors version of it, "
            "or make one: python -m bridge.diffusion.unpickling FILE",
        )
    if size < 8:
        raise _corrupt(name, f"is no safetensors file: it has {size} bytes")


def _parse(name: str, text: bytes) -> Header:
    try:
        data = json.loads(text, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise _corrupt(name, f"has no readable header: {error}") from error
    if not isinstance(data, dict):
        raise _corrupt(name, "has no readable header: it is not a JSON object")
    metadata = data.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise _corrupt(name, "has metadata that is not a JSON object")
    tensors = {key: _entry(name, key, value) for key, value in data.items()}
    end = 0
    for key, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != end:
            raise _corrupt(name, f'has overlapping tensors or a hole at "{key}"')
        end = entry.end
    texts = {str(key): str(value) for key, value in metadata.items()}
    return Header(MappingProxyType(tensors), MappingProxyType(texts))


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name occurs twice")
    return data


def _entry(name: str, key: str, value: Any) -> TensorEntry:
    match value:
        case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [int(begin), int(end)]}:
            pass
        case _:
            raise _corrupt(name, f'describes "{key}" in an unknown way')
    if dtype not in ITEM_BITS:
        raise _corrupt(name, f'stores "{key}" as the unknown type "{dtype[:40]}"')
    if not all(type(side) is int and side >= 0 for side in shape) or not 0 <= begin <= end:
        raise _corrupt(name, f'gives "{key}" an impossible shape or place')
    if math.prod(shape) * ITEM_BITS[dtype] != 8 * (end - begin):
        raise _corrupt(name, f'gives "{key}" {end - begin} bytes, which do not fit its shape')
    return TensorEntry(dtype, tuple(shape), begin, end)


def _unreadable(path: Path, error: OSError, hint: str) -> ModelError:
    return ModelError(f'"{path.name}" cannot be read: {error.strerror}', code="model_unreadable", hint=hint)


def _corrupt(name: str, fault: str, hint: str = "Download it again.") -> ModelError:
    return ModelError(f'"{name}" {fault}', code="model_corrupt", hint=hint)


def _incomplete(name: str, expected: int, size: int, *, at_least: bool = False) -> ModelError:
    more = "at least " if at_least else ""
    there, missing = _size(size), _size(expected - size)
    return _corrupt(
        name, f"is incomplete: expected {more}{_size(expected)}, have {there}; {missing} are missing"
    )


def _size(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{count} bytes"
