import os
import socket
from collections.abc import Iterator

import pytest

from bridge.client import Locator, Runtime, Target, target, write_runtime
from bridge.errors import BridgeError, ConnectionLost


@pytest.fixture
def running() -> Iterator[Runtime]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        runtime = Runtime(f"ws://127.0.0.1:{port}/bridge", port, "from-file", os.getpid(), "0", 0.0)
        write_runtime(runtime)
        yield runtime


def test_daemon_of_this_user_is_found(running: Runtime) -> None:
    assert Locator().find() == Target(running.url, "from-file")


def test_address_of_this_users_daemon_needs_no_token(running: Runtime) -> None:
    assert Locator(f"localhost:{running.port}").find() == Target(running.url, "from-file")


def test_given_token_wins(running: Runtime) -> None:
    assert Locator(token="given").find() == Target(running.url, "given")
    assert Locator(str(running.port), "given").find() == Target(running.url, "given")


def test_token_is_not_given_to_another_daemon(running: Runtime) -> None:
    assert Locator("other.example").find() == Target("ws://other.example:8189/bridge", "")


def test_no_daemon_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionLost, match="not running"):
        Locator().find()


class Process:
    """Has ended with a code, or not."""

    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


@pytest.mark.parametrize(
    ("exit_code", "code"), [(None, "connection_lost"), (0, "connection_lost"), (3, "daemon_failed")]
)
def test_daemon_is_started_if_asked_for(
    monkeypatch: pytest.MonkeyPatch, exit_code: int | None, code: str
) -> None:
    launched = []

    def launch(command: object) -> Process:
        launched.append(command)
        return Process(exit_code)

    monkeypatch.setattr(target, "launch_daemon", launch)
    with pytest.raises(BridgeError) as caught:
        Locator(starts_daemon=True, command=["x"]).find()
    assert caught.value.code == code
    with pytest.raises(ConnectionLost):
        Locator().find()
    with pytest.raises(ConnectionLost):
        Locator(starts_daemon=True, command=["y"]).find(may_start=False)
    assert launched == [["x"]]


def test_bad_address_is_named() -> None:
    with pytest.raises(BridgeError, match="ftp"):
        Locator("ftp://x").find()


def test_tokens_do_not_show_in_logs() -> None:
    assert "secret" not in repr(Target("ws://x", "secret")) + repr(Locator("x", "secret"))
