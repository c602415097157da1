"""The texts inside a PNG: how a picture carries the workflow that made it. Standard library only.

ComfyUI's convention: text chunk ``prompt`` holds the API JSON, ``workflow`` the editor's JSON. Ours adds
``framebridge``: the frame it saw, and the device, precision and weights that made the pixels.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from bridge.errors import InputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_TEXT_BYTES = 32 * 1024 * 1024
"""All texts of one picture together, unpacked; a large workflow is a few hundred kilobytes."""

SHOWN = 100
"""Characters of AUTOMATIC1111's parameters in a message."""

_KEYWORD = re.compile(r"[!-~\xa1-\xff]([ -~\xa1-\xff]{0,77}[!-~\xa1-\xff])?")

_HEADER_BYTES = len(SIGNATURE) + 8 + 13 + 4


def insert_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """Add text chunks to an encoded PNG, in front of its pixels.

    Args:
        png: A whole PNG.
        texts: Keyword (1–79 printable Latin-1 characters) → text.

    Raises:
        InputError: ``bad_text`` for a keyword that PNG does not allow.
    """
    assert png.startswith(SIGNATURE), "insert_texts needs a PNG"
    chunks = b"".join(_text_chunk(key, text) for key, text in texts.items())
    return png[:_HEADER_BYTES] + chunks + png[_HEADER_BYTES:]


def read_texts(path: Path) -> dict[str, str]:
    """Read the text chunks of a PNG file without decoding its pixels.

    Raises:
        InputError: ``image_not_found`` where there is no such file, ``bad_image`` where it is no PNG,
            damaged, or its texts are too large.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(SIGNATURE)) != SIGNATURE:
                raise InputError(
                    f"{path.name!r} is no PNG",
                    code="bad_image",
                    hint="Only PNG pictures carry a workflow here.",
                )
            return dict(_texts(file, path.name))
    except OSError as error:
        raise InputError(
            f"picture {path.name!r} cannot be read: {error.strerror}",
            code="image_not_found",
            hint="Check the name, and the folder that you are in.",
        ) from error


def read_workflow(path: Path) -> dict[str, Any]:
    """Read how a picture was made.

    Returns:
        ``prompt`` (API JSON), ``workflow`` (editor JSON) and ``framebridge`` (see ``SaveImage``); each
        ``None`` where the picture has none.

    Raises:
        InputError: As ``workflow_of`` and ``read_texts``.
    """
    return workflow_of(read_texts(path), path.name)


def workflow_of(texts: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return what the texts of a picture tell of how it was made, as ``read_workflow`` does.

    Args:
        texts: Keyword → text.
        name: Of the file.

    Raises:
        InputError: ``no_workflow`` where neither ``prompt`` nor ``workflow`` is there or JSON.
    """
    found = {key: _json(texts.get(key), name) for key in ("prompt", "workflow", "framebridge")}
    if not isinstance(found["framebridge"], dict):
        found["framebridge"] = None
    if found["prompt"] is None and found["workflow"] is None:
        raise _no_workflow(texts, name)
    return found


def _no_workflow(texts: Mapping[str, str], name: str) -> InputError:
    if given := texts.get("parameters", "").strip():
        shown = " ".join(given[:SHOWN].split()) + ("…" if len(given) > SHOWN else "")
        return InputError(
            f'picture {name!r} holds the parameters of AUTOMATIC1111, not a workflow: "{shown}"',
            code="no_workflow",
            hint="Run a preset or a workflow of yours with its prompt, seed and steps.",
        )
    return InputError(
        f"picture {name!r} holds no workflow",
        code="no_workflow",
        hint="Editors and chat programs often strip it; use the file as it was saved.",
    )


def _json(text: str | None, name: str) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the workflow in picture {name!r} is no JSON", code="no_workflow") from error


def _text_chunk(key: str, text: str) -> bytes:
    if not _KEYWORD.fullmatch(key):
        raise InputError(f"{key[:80]!r} cannot name a text in a PNG", code="bad_text")
    keyword = key.encode("latin-1")
    try:
        kind, body = b"tEXt", keyword + b"\0" + text.encode("latin-1")
    except UnicodeEncodeError:
        kind, body = b"iTXt", keyword + b"\0\0\0\0\0" + text.encode()
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _texts(file: BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    left = MAX_TEXT_BYTES
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            file.seek(length + 4, 1)
            continue
        if length > left:
            raise _too_large(name)
        body, checksum = file.read(length), file.read(4)
        if checksum != struct.pack(">I", zlib.crc32(kind + body)):
            raise InputError(f"picture {name!r}: a text chunk is damaged", code="bad_image")
        keyword, text = _unpack(kind, body, left, name)
        left -= len(text)
        yield keyword, text
    raise InputError(f"picture {name!r}: the file ends early", code="bad_image")


def _unpack(kind: bytes, body: bytes, limit: int, name: str) -> tuple[str, str]:
    keyword, _, rest = body.partition(b"\0")
    encoding, is_packed = "latin-1", kind == b"zTXt"
    if is_packed:
        rest = rest[1:]
    elif kind == b"iTXt":
        encoding, is_packed = "utf-8", rest[:1] == b"\1"
        rest = rest[2:].split(b"\0", 2)[-1]
    if is_packed:
        rest = _inflate(rest, limit, name)
    return keyword.decode("latin-1"), rest.decode(encoding, "replace")


def _inflate(packed: bytes, limit: int, name: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(packed, limit)
    except zlib.error as error:
        raise InputError(f"picture {name!r}: a text chunk is damaged", code="bad_image") from error
    if stream.unconsumed_tail:
        raise _too_large(name)
    return text


def _too_large(name: str) -> InputError:
    return InputError(f"picture {name!r}: its metadata is too large", code="bad_image")
