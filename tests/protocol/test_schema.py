from dataclasses import dataclass

import pytest

from bridge.errors import RemoteProtocolError
from bridge.protocol.schema import Body, Place, padded, quoted, read_fields

PLACE = Place("thing", Body(memoryview(b"")))


@dataclass(frozen=True)
class Leaf:
    number: float = 0.0


@dataclass(frozen=True)
class Thing:
    name: str
    leaf: Leaf | None = None


@dataclass(frozen=True)
class Strange:
    thing: bytes


def test_nested_dataclasses_are_read() -> None:
    assert Thing(**read_fields(Thing, {"name": "x", "leaf": {"number": 1}}, PLACE)) == Thing("x", Leaf(1.0))


def test_null_stands_for_an_optional_value() -> None:
    assert Thing(**read_fields(Thing, {"name": "x", "leaf": None}, PLACE)) == Thing("x")


def test_fault_names_the_whole_path() -> None:
    with pytest.raises(RemoteProtocolError, match=r"^thing\.leaf\.number: expected a number, got null$"):
        read_fields(Thing, {"name": "x", "leaf": {"number": None}}, PLACE)


def test_annotation_without_a_rule_is_a_bug() -> None:
    with pytest.raises(TypeError, match="no rule reads"):
        read_fields(Strange, {"thing": ""}, PLACE)


def test_body_is_taken_off_piece_by_piece() -> None:
    body = Body(memoryview(b"abc\0\0\0\0\0defghijk"))
    place = Place("", body)
    assert (bytes(body.take(3, place)), bytes(body.take(8, place))) == (b"abc", b"defghijk")
    body.finish()


def test_padding_fills_to_eight() -> None:
    assert [padded(count) for count in (0, 1, 7, 8, 9)] == [0, 8, 8, 8, 16]


def test_quoted_text_is_short_and_whole() -> None:
    assert quoted("a\ud800") == '"a?"'
    assert quoted("x" * 100) == '"' + "x" * 60 + '…"'
