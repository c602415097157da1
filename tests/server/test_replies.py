from collections.abc import Mapping, MutableMapping
from typing import Any

import pytest
from starlette.requests import Request

from bridge.errors import BridgeError
from bridge.server import PIECE_BYTES, as_bytes, whole_number
from bridge.server.replies import MOST


def asking(query: str) -> Request:
    scope: Mapping[str, object] = {"type": "http", "query_string": query.encode(), "headers": []}
    return Request(dict(scope))


@pytest.mark.parametrize(
    ("query", "number"),
    [("n=7", 7), ("n=-1", -1), ("n=0", 0), ("", None), ("n=", None), ("n=" + "9" * 5000, MOST)],
)
def test_a_whole_number_is_read(query: str, number: int | None) -> None:
    assert whole_number(asking(query), "n", -1, None) == number


@pytest.mark.parametrize("text", ["x", "1.5", "-2", "--1", "1_000", "%20", "%D9%A3", "-" + "9" * 5000])
def test_anything_else_is_told(text: str) -> None:
    with pytest.raises(BridgeError, match="n is not"):
        whole_number(asking(f"n={text}"), "n", -1, 0)


async def sent(data: bytes) -> tuple[Mapping[str, str], list[bytes]]:
    """Return the headers and the pieces in which a body goes."""
    messages: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    async def send(message: MutableMapping[str, Any]) -> None:
        messages.append(message)

    answer = as_bytes(data, "image/png", {"cache-control": "no-store"})
    await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)
    return answer.headers, [bytes(message["body"]) for message in messages[1:] if message["body"]]


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 5 * PIECE_BYTES - 1])
async def test_a_large_body_goes_in_pieces_and_a_small_one_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    headers, pieces = await sent(data)
    assert b"".join(pieces) == data
    assert len(pieces) == -(-size // PIECE_BYTES)
    assert (headers["content-length"], headers["content-type"]) == (str(size), "image/png")
    assert headers["cache-control"] == "no-store"
