from collections.abc import Mapping

import pytest
from starlette.requests import Request

from bridge.errors import BridgeError
from bridge.server import whole_number
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
