from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.server.access import Access, AccessMiddleware, host_is_ours, origin_is_ours, token_is_right

ACCESS = Access(token="s3cret-token", port=8189)
GOOD = [(b"host", b"127.0.0.1:8189"), (b"authorization", b"Bearer s3cret-token")]


@pytest.mark.parametrize("host", ["127.0.0.1:8189", "localhost:8189", "LocalHost:8189", "[::1]:8189"])
def test_own_names_with_the_own_port_are_accepted(host: str) -> None:
    assert host_is_ours([(b"host", host.encode())], 8189)


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
    assert not host_is_ours([(b"host", host.encode())], 8189)


def test_missing_host_is_foreign() -> None:
    assert not host_is_ours([], 8189)


def test_host_given_twice_is_foreign_even_if_both_are_ours() -> None:
    assert not host_is_ours([(b"host", b"127.0.0.1:8189"), (b"Host", b"localhost:8189")], 8189)


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


def test_health_needs_no_token_but_our_host_and_no_foreign_origin() -> None:
    assert ACCESS.refusal("/health", GOOD[:1]) is None
    assert ACCESS.refusal("/health", [(b"host", b"evil.example")]) == (403, "foreign_host")
    assert ACCESS.refusal("/health", [*GOOD[:1], (b"origin", b"null")]) == (403, "foreign_origin")


@pytest.mark.parametrize(
    "path", ["/health/", "/healthy", "/health/x", "//health", "/Health", "/", "/nowhere"]
)
def test_every_other_path_needs_the_token(path: str) -> None:
    assert ACCESS.refusal(path, GOOD) is None
    assert ACCESS.refusal(path, GOOD[:1]) == (401, "unauthorized")


def test_token_does_not_show_in_the_representation() -> None:
    assert "s3cret" not in repr(ACCESS)


async def call(scope: dict[str, Any]) -> tuple[bool, list[dict[str, Any]]]:
    """Run the middleware; return whether the guarded application was reached, and what was sent."""
    sent: list[dict[str, Any]] = []
    reached = False

    async def guarded(*_: Any) -> None:
        nonlocal reached
        reached = True

    async def send(message: Any) -> None:
        sent.append(message)

    await AccessMiddleware(guarded, ACCESS)(scope, None, send)  # type: ignore[arg-type]
    return reached, sent


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_requests_and_upgrades_are_judged_alike(kind: str) -> None:
    assert (await call({"type": kind, "path": "/x", "headers": GOOD}))[0]
    reached, sent = await call({"type": kind, "path": "/x", "headers": GOOD[:1], "method": "DELETE"})
    assert not reached
    assert sent[0]["status"] == 401
    assert sent[1]["body"] == b'{"code":"unauthorized"}'
    assert {message["type"].startswith("websocket.") for message in sent} == {kind == "websocket"}


async def test_unknown_kinds_of_connection_are_refused() -> None:
    assert not (await call({"type": "webtransport", "path": "/x", "headers": []}))[0]


async def test_start_and_end_of_the_application_pass() -> None:
    assert (await call({"type": "lifespan"}))[0]


async def test_refusal_closes_the_connection_and_is_not_cached() -> None:
    _, sent = await call({"type": "http", "path": "/x", "headers": GOOD[:1]})
    headers = dict(sent[0]["headers"])
    assert headers[b"connection"] == b"close"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"www-authenticate"] == b"Bearer"
