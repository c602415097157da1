"""Writing safetensors files by hand, sound and broken ones."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


def pack(header: Any, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file from a header and a body, or from shapes alone (float16 zeros)."""

    def write(
        name: str,
        header: Any = None,
        body: bytes = b"",
        *,
        shapes: Mapping[str, tuple[int, ...]] | None = None,
    ) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if shapes is not None:
            header, end = {}, 0
            for tensor, shape in shapes.items():
                size = 2
                for side in shape:
                    size *= side
                header[tensor] = {"dtype": "F16", "shape": list(shape), "data_offsets": [end, end + size]}
                end += size
            body = b"\0" * end
        file.write_bytes(pack(header, body))
        return file

    return write
