"""Daemons that misbehave, in real Blenders: the artist is told, nothing is lost, nothing hangs."""

import socket
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def strange(blender, tmp_path_factory) -> dict[str, Any]:
    with socket.socket() as listener:  # a port that nobody listens on
        listener.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    home: Path = tmp_path_factory.mktemp("no-daemon")
    return blender.run("strange", environment={"FRAMEBRIDGE_HOME": str(home)}, nowhere=nowhere)


@pytest.mark.parametrize("kind", ["empty", "numbers", "texts"])
def test_presets_that_make_no_sense_are_one_sentence(strange, kind):
    assert "answer cannot be used" in strange["nonsense"][kind]
    assert "update both" in strange["nonsense"][kind]


def test_picture_of_other_proportions_is_kept_and_mentioned(strange):
    found = strange["wrong_size"]
    assert found["images"] == [[64, 300]]
    assert "64 × 300" in found["notice"]


def test_job_without_a_picture_says_what_is_missing(strange):
    assert "sent no picture" in strange["no_picture"]["said"]
    assert "SendToHost" in strange["no_picture"]["said"]
    assert strange["no_picture"]["images"] == []


def test_garbage_does_not_keep_the_artist_from_cancelling(strange):
    found = strange["garbage"]
    assert found["generating"]
    assert not found["after"]
    assert found["images"] == []


def test_daemon_that_goes_away_is_noticed_and_can_be_left(strange):
    found = strange["leaves"]
    assert "trying" in found["words"].lower()
    assert not found["generating"]
    assert found["code"] == ""  # the artist wanted it
    assert found["seconds"] < 1.0


def test_refused_token_is_named(strange):
    assert "token" in strange["refuses"]["token"]
    assert strange["refuses"]["diagnosis"][:3] == [
        ["Daemon", "good"],
        ["Token", "broken"],
        ["Models", "waiting"],
    ]
    assert "token" in strange["refuses"]["hint"]


def test_missing_daemon_is_named(strange):
    assert strange["nobody"]["diagnosis"][0] == "broken"
    assert "nothing answers" in strange["nobody"]["said"]


def test_daemon_that_cannot_be_started_says_what_to_set(strange):
    assert "could not be started" in strange["nobody"]["cannot start"]
    assert "preferences" in strange["nobody"]["cannot start"]


def test_only_a_daemon_elsewhere_needs_online_access(strange):
    local = ["ws://127.0.0.1:8189/bridge", "ws://[::1]:8189/bridge"]
    assert strange["online_access"] == {
        "off": ["offline", *local],
        "on": ["ws://192.168.0.7:8189/bridge", *local],
    }


def test_addresses_are_read_as_people_type_them(strange):
    local = "ws://127.0.0.1:8189/bridge"
    assert strange["addresses"] == {
        "localhost": local,
        "8189": local,
        "http://127.0.0.1:8189/": local,
        "ws://[::1]:8189": "ws://[::1]:8189/bridge",
        "ftp://x": "bad_address",
        "a b": "bad_address",
    }
