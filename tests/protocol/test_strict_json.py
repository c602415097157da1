import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import RemoteProtocolError
from bridge.protocol.strict_json import dump_json, parse_json


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1 column 1: Expecting value"),
        ('{\n "a": 1,\n "b" 2}', "line 3 column 6: Expecting ':' delimiter"),
        ("[1]", "not an object"),
        ("null", "not an object"),
        ('{"a":NaN}', "NaN is not JSON"),
        ('{"a":-Infinity}', "-Infinity is not JSON"),
        ('{"a":1e999}', '"1e999" is too large a number'),
        ('{"a":1,"b":2,"a":3}', '"a" is given twice'),
        ('{"\\ud800":1,"\\ud800":3}', '"?" is given twice'),
        ('{"a":' + "9" * 5000 + "}", "has too many digits"),
        ('{"a":' + "[" * 100_000, "nested too deeply"),
        (b'{"a":"\xff"}', "byte 6 is not UTF-8"),
        ("\ufeff{}", "BOM"),
    ],
)
def test_what_is_not_one_json_object_is_bad_json(text: str | bytes, said: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse_json(text)
    assert caught.value.code == "bad_json"
    assert said in caught.value.message
    assert len(caught.value.message) < 200


def test_bytes_are_utf8() -> None:
    assert parse_json('{"ä":"結果"}'.encode()) == {"ä": "結果"}


@given(
    st.dictionaries(
        st.text(), st.integers(-(2**64), 2**64) | st.floats(allow_nan=False, allow_infinity=False)
    )
)
def test_what_was_dumped_is_parsed(data: dict[str, float]) -> None:
    assert parse_json(dump_json(data)) == data == json.loads(dump_json(data))


def test_a_name_given_twice_is_found_among_very_many() -> None:
    names = ",".join(f'"k{number}":0' for number in range(100_000))
    with pytest.raises(RemoteProtocolError, match='"z" is given twice'):
        parse_json("{" + names + ',"z":0,"z":0}')
