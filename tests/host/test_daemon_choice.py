"""Which daemon, and how it is started, from what was typed."""

import sys

import pytest

from bridge.errors import BridgeError
from bridge.host.daemon_choice import DaemonChoice


@pytest.fixture
def program(tmp_path):
    made = tmp_path / "framebridge"
    made.write_text("")
    return str(made)


def code_of(choice):
    with pytest.raises(BridgeError) as caught:
        choice.locator(True)
    return caught.value.code


def test_nothing_typed_is_the_users_own_daemon():
    locator = DaemonChoice().locator(True)
    assert (locator.address, locator.token, locator.starts_daemon, locator.command) == ("", "", True, None)


def test_a_daemon_elsewhere_is_not_started(program):
    locator = DaemonChoice(" 192.168.0.7:8189 ", "abc", True, program).locator(True)
    assert (locator.address, locator.token, locator.command) == ("192.168.0.7:8189", "abc", None)


def test_it_is_started_only_if_both_want_it(program):
    assert not DaemonChoice(starts_daemon=False, program=program).locator(True).starts_daemon
    assert not DaemonChoice(program=program).locator(False).starts_daemon


def test_program_and_arguments_make_the_command(program):
    choice = DaemonChoice(program=program, arguments='--models "D:/My Models" --device cuda')
    assert choice.locator(True).command == [program, "serve", "--models", "D:/My Models", "--device", "cuda"]
    python = DaemonChoice(program=sys.executable).locator(True).command
    assert python == [sys.executable, "-m", "bridge", "serve"]


@pytest.mark.parametrize(
    ("choice", "code"),
    [
        (DaemonChoice(token="a\nb"), "bad_token"),
        (DaemonChoice(token="ü"), "bad_token"),
        (DaemonChoice(arguments='--models "D:/'), "bad_arguments"),
        (DaemonChoice(program="/no/such/program"), "daemon_not_found"),
        (DaemonChoice(program="x" * 5000), "daemon_not_found"),
    ],
)
def test_what_cannot_be_used_is_told(choice, code):
    assert code_of(choice) == code
