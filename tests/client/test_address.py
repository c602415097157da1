import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.client import parse_address
from bridge.errors import BridgeError

LOCAL = "ws://127.0.0.1:8189/bridge"


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "LOCALHOST",
        "8189",
        ":8189",
        "127.0.0.1",
        "127.0.0.1:8189",
        "0.0.0.0:8189",
        "  localhost:8189/ \n",
        "http://localhost:8189",
        "http://127.0.0.1:8189/",
        "HTTP://localhost:8189//",
        "ws://localhost",
        "ws://localhost:8189/bridge",
        "ws://127.0.0.1:8189/bridge/",
        "http://127.0.0.1:8189/?login=abc#top",
    ],
)
def test_every_way_to_type_the_local_daemon(text: str) -> None:
    assert parse_address(text) == LOCAL


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (":9000", "ws://127.0.0.1:9000/bridge"),
        ("9000/", "ws://127.0.0.1:9000/bridge"),
        ("::1", "ws://[::1]:8189/bridge"),
        ("[::1]", "ws://[::1]:8189/bridge"),
        ("[::1]:9000", "ws://[::1]:9000/bridge"),
        ("ws://[2001:DB8::1]:9000/", "ws://[2001:db8::1]:9000/bridge"),
        ("render-1.studio.example", "ws://render-1.studio.example:8189/bridge"),
        ("https://render.example:443", "wss://render.example:443/bridge"),
        ("192.168.1.20:9000", "ws://192.168.1.20:9000/bridge"),
    ],
)
def test_other_daemons(text: str, url: str) -> None:
    assert parse_address(text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("ftp://localhost", "neither ws:// nor http://"),
        ("localhost:http", "Port could not be cast"),
        ("localhost:0", "any port"),
        ("localhost:65536", "Port out of range"),
        ("99999", "Port out of range"),
        ("http://localhost/api", "path"),
        ("user:pass@localhost", "name or password"),
        ("two words", "no host name"),
        ("-a.example", "no host name"),
        ("256.1.1.1", "no IP address"),
        ("1.2.3", "no IP address"),
        ("[::1", "Invalid IPv6"),
        ("localhost:8189:1", "does not appear to be|no IP address|IPv6"),
        ("x" * 300, "no host name"),
    ],
)
def test_what_is_no_address_says_why(text: str, reason: str) -> None:
    with pytest.raises(BridgeError, match=reason) as caught:
        parse_address(text)
    assert caught.value.code == "bad_address"
    assert "127.0.0.1:8189" in caught.value.hint
    assert len(caught.value.message) < 250


@given(st.text() | st.from_regex(r"(https?|wss?)://[^/]{0,20}(:\d*)?/?"))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    code = ""
    try:
        url = parse_address(text)
        assert parse_address(url) == url
    except BridgeError as error:
        code = error.code
    assert code in ("", "bad_address")
