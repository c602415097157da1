import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.server.access import (
    IS_TRUSTED,
    Access,
    AccessMiddleware,
    Address,
    Kind,
    host_is_ours,
    origin_is_ours,
    query_token_is_right,
    token_is_right,
    without_token,
)
from bridge.server.visitors import cookie_name

ACCESS = Access(token="s3cret-token", port=8189)
OURS = Address(8189)
UNAUTHORIZED = {
    "code": "unauthorized",
    "error": {
        "type": "unauthorized",
        "message": "This browser is not let in any more. Type: framebridge open",
        "details": "",
        "extra_info": {},
    },
    "node_errors": {},
}
GOOD = [(b"host", b"127.0.0.1:8189"), (b"authorization", b"Bearer s3cret-token")]


@pytest.mark.parametrize("host", ["127.0.0.1:8189", "localhost:8189", "LocalHost:8189", "[::1]:8189"])
def test_own_names_with_the_own_port_are_accepted(host: str) -> None:
    assert host_is_ours([(b"host", host.encode())], OURS)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1",
        "127.0.0.1:8188",
        "127.0.0.1:81890",
        "127.0.0.2:8189",
        "localhost.:8189",
        "localhost.evil.example:8189",
        "127.0.0.1.evil.example:8189",
        "evil.example:8189",
        "evil.example",
        "0.0.0.0:8189",
        "user@127.0.0.1:8189",
        "127.0.0.1:8189, evil.example",
        "::1:8189",
        "2130706433:8189",
    ],
)
def test_any_other_host_is_foreign(host: str) -> None:
    assert not host_is_ours([(b"host", host.encode())], OURS)


def test_missing_host_is_foreign() -> None:
    assert not host_is_ours([], OURS)


def test_host_given_twice_is_foreign_even_if_both_are_ours() -> None:
    assert not host_is_ours([(b"host", b"127.0.0.1:8189"), (b"Host", b"localhost:8189")], OURS)


def test_native_clients_send_no_origin() -> None:
    assert origin_is_ours([(b"host", b"127.0.0.1:8189")])


@pytest.mark.parametrize("host", [b"127.0.0.1:8189", b"localhost:8189"])
def test_page_of_ours_is_accepted(host: bytes) -> None:
    assert origin_is_ours([(b"host", host), (b"origin", b"http://" + host)])


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:3000",
        "http://localhost:8189",
        "https://127.0.0.1:8189",
        "http://127.0.0.1:8189/",
        "http://127.0.0.1:8189.evil.example",
        "http://user@127.0.0.1:8189",
        "file://",
        "chrome-extension://abcdef",
    ],
)
def test_any_other_page_is_foreign(origin: str) -> None:
    assert not origin_is_ours([(b"host", b"127.0.0.1:8189"), (b"origin", origin.encode())])


def test_origin_given_twice_is_foreign() -> None:
    own = (b"origin", b"http://127.0.0.1:8189")
    assert not origin_is_ours([(b"host", b"127.0.0.1:8189"), own, own])


@pytest.mark.parametrize("value", ["Bearer s3cret-token", "bearer s3cret-token", "Bearer  s3cret-token "])
def test_right_token_is_accepted(value: str) -> None:
    assert token_is_right([(b"authorization", value.encode())], "s3cret-token")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer s3cret-tokem",
        "Bearer s3cret-token2",
        "Basic s3cret-token",
        "s3cret-token",
    ],
)
def test_wrong_token_is_refused(value: str) -> None:
    assert not token_is_right([(b"authorization", value.encode())], "s3cret-token")


def test_token_given_twice_is_refused() -> None:
    right = (b"authorization", b"Bearer s3cret-token")
    assert not token_is_right([right, right], "s3cret-token")


@given(st.binary(max_size=64))
def test_no_other_bytes_are_the_token(credentials: bytes) -> None:
    assert not token_is_right([(b"authorization", b"Bearer " + credentials)], "s3cret-token")


Header = tuple[bytes, bytes]
HOST = GOOD[0]
OWN_PAGE = (b"origin", b"http://127.0.0.1:8189")
ALL_KINDS = list(Kind)


def asked(*headers: Header, method: str = "GET", query: bytes = b"", kind: str = "http") -> dict[str, Any]:
    scheme = {"http": "http", "websocket": "ws"}[kind]
    scope = {"type": kind, "path": "/x", "headers": list(headers), "query_string": query, "scheme": scheme}
    return scope | ({"method": method} if kind == "http" else {})


def is_let_in(kind: Kind, scope: dict[str, Any], access: Access = ACCESS) -> bool:
    refusal = access.refusal(scope, lambda _: kind)
    assert refusal in (None, (401, "unauthorized"))
    return refusal is None


def visitor(access: Access) -> Header:
    value = access.visitors.admit(access.visitors.new_key())
    return b"cookie", f"theme=dark; {cookie_name(8189)}={value}".encode()


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_token_opens_every_kind_of_route_and_nothing_else_does_by_itself(kind: Kind) -> None:
    assert is_let_in(kind, asked(*GOOD))
    assert is_let_in(kind, asked(HOST)) == (kind is Kind.OPEN)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_host_and_origin_count_on_every_kind_of_route(kind: Kind) -> None:
    access = Access("s3cret-token", 8189, is_compatible_open=True)
    evil = (b"host", b"evil.example")
    assert access.refusal(asked(evil, GOOD[1]), lambda _: kind) == (403, "foreign_host")
    assert access.refusal(asked(*GOOD, (b"origin", b"null")), lambda _: kind) == (403, "foreign_origin")


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_token_in_the_query_opens_compatible_routes_only(kind: Kind) -> None:
    may = kind in (Kind.COMPATIBLE, Kind.OPEN)
    assert is_let_in(kind, asked(HOST, query=b"a=1&token=s3cret-token")) == may
    assert is_let_in(kind, asked(HOST, query=b"token=s3cret-token", kind="websocket")) == may


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"token",
        b"token=",
        b"token=s3cret-tokem",
        b"token=s3cret-token&token=s3cret-token",
        b"Token=s3cret-token",
        b"x=1&" * 2000 + b"token=s3cret-token;",
        b"token=%F0%9F%98%80",
        b"\xff=\xff",
    ],
)
def test_any_other_query_is_not_the_token(query: bytes) -> None:
    assert not query_token_is_right(query, "s3cret-token")


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (b"clientId=a&token=x", b"clientId=a"),
        (b"token=x", b""),
        (b"a=%20%C3%BC&token=x&b=", b"a=+%C3%BC&b="),
        (b"filename=a%20b.png", b"filename=a%20b.png"),
        (b"filename=token.png&%74oken=x", b"filename=token.png"),
        (b"a=%20&%74oken=x", b"a=+"),
    ],
)
def test_whoever_comes_after_the_guard_sees_no_token(query: bytes, left: bytes) -> None:
    assert without_token(query) == left


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_cookie_opens_the_page_and_compatible_routes_and_no_native_one(kind: Kind) -> None:
    cookie = visitor(ACCESS)
    assert is_let_in(kind, asked(HOST, cookie)) == (kind is not Kind.NATIVE)


@pytest.mark.parametrize("kind", [Kind.COMPATIBLE, Kind.PAGE])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_cookie_changes_things_only_with_our_origin(kind: Kind, method: str) -> None:
    cookie = visitor(ACCESS)
    assert is_let_in(kind, asked(HOST, cookie, OWN_PAGE, method=method))
    assert not is_let_in(kind, asked(HOST, cookie, method=method))


@pytest.mark.parametrize("kind", [Kind.COMPATIBLE, Kind.PAGE])
def test_cookie_opens_a_socket_only_with_our_origin(kind: Kind) -> None:
    cookie = visitor(ACCESS)
    assert is_let_in(kind, asked(HOST, cookie, OWN_PAGE, kind="websocket"))
    assert not is_let_in(kind, asked(HOST, cookie, kind="websocket"))


@pytest.mark.parametrize("site", [b"cross-site", b"same-site", b"", b"SAME-ORIGIN "])
def test_what_a_browser_sends_by_itself_does_not_count_for_other_pages(site: bytes) -> None:
    access = Access("s3cret-token", 8189, is_compatible_open=True)
    cookie, fetched = visitor(access), (b"sec-fetch-site", site)
    assert not is_let_in(Kind.PAGE, asked(HOST, cookie, fetched), access)
    assert not is_let_in(Kind.COMPATIBLE, asked(HOST, fetched), access)
    assert is_let_in(Kind.PAGE, asked(HOST, cookie, (b"sec-fetch-site", b"same-origin")), access)
    assert is_let_in(Kind.COMPATIBLE, asked(HOST, (b"sec-fetch-site", b"none")), access)
    assert is_let_in(Kind.PAGE, asked(*GOOD, fetched), access), "a token is sent on purpose"


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_open_compatible_routes_ask_for_nothing_and_no_other_route_opens(kind: Kind, method: str) -> None:
    access = Access("s3cret-token", 8189, is_compatible_open=True)
    may = kind in (Kind.COMPATIBLE, Kind.OPEN)
    assert is_let_in(kind, asked(HOST, method=method), access) == may


def test_open_compatible_routes_are_open_for_this_machine_only() -> None:
    outside = Address(8443, ("render.studio",), is_encrypted=True)
    access = Access("s3cret-token", 8189, outside, is_compatible_open=True)
    host = (b"host", b"render.studio:8443")
    assert access.refusal(asked(host) | {"scheme": "https"}, lambda _: Kind.COMPATIBLE) == (
        401,
        "unauthorized",
    )
    assert access.refusal(asked(host, GOOD[1]) | {"scheme": "https"}, lambda _: Kind.NATIVE) is None
    assert access.refusal(asked(host, GOOD[1]), lambda _: Kind.NATIVE) == (403, "foreign_host")
    assert access.refusal(asked(*GOOD) | {"scheme": "wss"}, lambda _: Kind.NATIVE) == (403, "foreign_host")


def test_encrypted_pages_have_an_encrypted_origin() -> None:
    outside = Address(443, ("render.studio",), is_encrypted=True)
    access = Access("s3cret-token", 8189, outside)
    for name in (b"render.studio", b"render.studio:443"):
        scope = asked((b"host", name), GOOD[1], (b"origin", b"https://" + name)) | {"scheme": "https"}
        assert access.refusal(scope, lambda _: Kind.NATIVE) is None
        scope["headers"][2] = (b"origin", b"http://" + name)
        assert access.refusal(scope, lambda _: Kind.NATIVE) == (403, "foreign_origin")


def test_nobody_reaches_us_encrypted_unless_we_listen_so() -> None:
    assert ACCESS.refusal(asked(*GOOD) | {"scheme": "https"}, lambda _: Kind.OPEN) == (403, "foreign_host")


def test_token_does_not_show_in_the_representation() -> None:
    assert "s3cret" not in repr(ACCESS)


async def call(
    scope: dict[str, Any], kind: Kind = Kind.NATIVE
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the middleware; return the scope that reached the guarded application, and what was sent."""
    sent: list[dict[str, Any]] = []
    reached: dict[str, Any] = {}

    async def guarded(scope: Any, *_: Any) -> None:
        reached.update(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    await AccessMiddleware(guarded, ACCESS, lambda scope: kind)(scope, None, send)  # type: ignore[arg-type]
    return reached, sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_requests_and_upgrades_are_judged_alike(kind: str) -> None:
    assert (await call(asked(*GOOD, kind=kind)))[0]
    reached, sent = await call(asked(HOST, kind=kind, method="DELETE"))
    assert not reached
    assert sent[0]["status"] == 401
    assert json.loads(sent[1]["body"]) == UNAUTHORIZED
    assert {message["type"].startswith("websocket.") for message in sent} == {kind == "websocket"}


async def test_unknown_kinds_of_connection_are_refused() -> None:
    assert not (await call({"type": "webtransport", "path": "/x", "headers": []}))[0]


async def test_start_and_end_of_the_application_pass() -> None:
    assert (await call({"type": "lifespan"}))[0]


async def test_refusal_closes_the_connection_and_is_not_cached() -> None:
    _, sent = await call(asked(HOST))
    headers = dict(sent[0]["headers"])
    assert headers[b"connection"] == b"close"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"www-authenticate"] == b"Bearer"


async def test_application_sees_whether_the_token_was_shown_but_not_in_the_query() -> None:
    reached, _ = await call(asked(*GOOD, query=b"token=s3cret-token"), Kind.OPEN)
    assert reached[IS_TRUSTED]
    assert reached["query_string"] == b""
    reached, _ = await call(asked(HOST), Kind.OPEN)
    assert not reached[IS_TRUSTED]


async def test_people_are_told_how_to_get_in_and_nothing_else() -> None:
    browser = (b"accept", b"text/html,application/xhtml+xml")
    _, sent = await call(asked(HOST, browser))
    assert sent[0]["status"] == 401
    page = sent[1]["body"].decode()
    assert "framebridge open" in page
    assert "s3cret" not in page
    assert "<script" not in page
    _, elsewhere = await call(asked(HOST, browser) | {"path": "/status"})
    assert elsewhere == sent, "what is there does not show"
    _, sent = await call(asked(HOST, browser, method="POST"))
    assert json.loads(sent[1]["body"]) == UNAUTHORIZED
