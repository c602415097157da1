"""The add-on's session with a real daemon, through the client that it carries."""

import socket
from typing import Any

import pytest


@pytest.fixture(scope="module")
def loop(blender, daemon_home) -> dict[str, Any]:
    return blender.run("loop", environment={"FRAMEBRIDGE_HOME": str(daemon_home)}, preset="stylize")


@pytest.fixture(scope="module")
def session(blender) -> dict[str, Any]:
    with socket.socket() as listener:  # a port that nobody listens on
        listener.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    return blender.run("session", nowhere=nowhere)


def test_pump_hands_out_what_became_of_a_job(loop):
    found = loop["submitted"]
    assert found["accepted"] == found["request"]
    assert found["state"] == "done"
    assert [kind for kind in found["kinds"] if kind in ("Accepted", "Started", "Result", "Finished")] == [
        "Accepted",
        "Started",
        "Result",
        "Finished",
    ]
    assert found["shapes"] == [[96, 128, 3]]
    assert found["colors"] > 50  # a picture, not a colour


def test_live_view_renders_the_newest_capture(loop):
    found = loop["live"]
    assert found["last"]
    assert found["state"] == "done"
    assert found["finished"] == sorted(set(found["finished"]))
    assert set(found["finished"]) <= set(found["pushed"])


def test_refusal_is_an_answer_and_the_session_lives_on(loop):
    assert loop["refused"]["same"]
    assert loop["refused"]["codes"] == ["unknown_preset"]
    assert loop["refused"]["ready"]


def test_close_ends_the_thread_within_a_second(loop, session):
    for found in (loop["closed"]["threads"], session["closing"]["after"], session["registering"]):
        assert found == ["MainThread"]
    assert "framebridge" in session["closing"]["during"]
    assert loop["closed"]["seconds"] < 1.0
    assert session["closing"]["seconds"] < 1.0


def test_missing_daemon_is_named(session):
    assert session["closing"]["state"] == "connection_lost"


def test_frame_travels_unchanged(session):
    found = session["frame"]
    assert found["number"] == 7
    assert found["same_digest"]
    assert found["planes"] == {
        "color": ["u8", 54, 96, 3],
        "depth": ["f32", 54, 96],
        "normal": ["u8", 54, 96, 3],
        "object_id": ["u16", 54, 96],
    }
    assert found["color"]
    assert found["depth"]
    assert found["ids"]
    assert found["view"]
    assert found["is_perspective"]
    assert found["normal"] < 0.005  # one step of 255 over −1..1, halved by rounding
