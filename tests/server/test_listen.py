import os
import socket

import pytest
from starlette.applications import Starlette

from bridge.errors import BridgeError
from bridge.server import WebServer, bind
from bridge.server.listen import MAX_CONNECTIONS, connections_allowed


def test_port_zero_takes_a_free_port() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert listener.getsockname()[1] > 0


def test_localhost_means_ipv4() -> None:
    with bind("localhost", 0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "192.168.1.10", "127.0.0.2", "example.org", "localhost.", "127.0.0.1 "]
)
def test_anything_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(BridgeError, match="other machines") as refusal:
        bind(host, 0)
    assert refusal.value.code == "unsafe_host"


def test_small_answers_are_sent_at_once() -> None:
    with bind("127.0.0.1", 0) as listener:  # what asyncio asks for before it sets TCP_NODELAY
        assert listener.proto == socket.IPPROTO_TCP


def test_port_in_use_is_named_and_another_suggested() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(BridgeError, match=str(port)) as refusal:
            bind("127.0.0.1", port)
    assert refusal.value.code == "port_in_use"
    assert "--port 0" in refusal.value.hint


@pytest.mark.parametrize("port", [-1, 65_536])
def test_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(BridgeError) as refusal:
        bind("127.0.0.1", port)
    assert refusal.value.code == "port_refused"


async def test_server_that_cannot_start_says_so_instead_of_waiting() -> None:
    listener = bind("127.0.0.1", 0)
    listener.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        async with WebServer(Starlette()).serving(listener):
            raise AssertionError("never reached")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not count sockets as files")
@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections"),
    [
        (1024, 1_048_576, 2048, MAX_CONNECTIONS),
        (1024, -1, 2048, MAX_CONNECTIONS),
        (256, 300, 300, 86),
        (4096, 4096, 4096, MAX_CONNECTIONS),
        (-1, -1, -1, MAX_CONNECTIONS),
        (20, 20, 20, 16),
    ],
)
def test_as_many_files_are_asked_for_as_connections_need(
    soft: int, hard: int, raised: int, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda what: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda what, pair: limits.append(pair))
    assert connections_allowed() == connections
    assert limits[-1] == (raised, hard)
