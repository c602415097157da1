import pytest

from bridge.errors import Problem
from bridge.protocol import (
    Answer,
    Failure,
    Finished,
    Frame,
    Message,
    Plane,
    Progress,
    Result,
    State,
    StreamFrame,
    Submit,
    picture_bytes,
    place_of,
)

PICTURE = Plane("image", (2, 2, 3), "u8", bytes(12))
PROBLEM = Problem("bad_depth", "no depth")


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (State("starting"), State("ready")),
        (Progress("3", 1, 4, job="a"), Progress("3", 2, 4, job="a")),
        (Result("8", (PICTURE,), stream="live", frame=1), Result("8", (PICTURE,), stream="live", frame=2)),
        (Finished("done", stream="live", frame=1), Finished("failed", stream="live", frame=2)),
        (Failure((PROBLEM,), stream="live"), Failure((PROBLEM,), stream="live")),
    ],
)
def test_the_newer_replaces_the_older(older: Message, newer: Message) -> None:
    assert place_of(older) == place_of(newer) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Progress("3", 1, 4, job="a"), Progress("3", 1, 4, job="b")),
        (Result("8", (), stream="live"), Result("9", (), stream="live")),
        (Finished("done", stream="live"), Finished("done", stream="other")),
    ],
)
def test_messages_about_different_things_stay_apart(one: Message, other: Message) -> None:
    assert place_of(one) != place_of(other)


@pytest.mark.parametrize(
    "message",
    [Answer("1", {}), Result("8", (PICTURE,), job="a"), Finished("done", job="a"), Failure((PROBLEM,), "1")],
)
def test_what_answers_or_ends_something_is_never_replaced(message: Message) -> None:
    assert place_of(message) is None


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (Result("8", (PICTURE, PICTURE)), 24),
        (StreamFrame("live", Frame({"color": PICTURE})), 12),
        (Submit("1", frame=Frame({"color": PICTURE})), 12),
        (Submit("1", preset="stylize"), 0),
        (Finished("done", stream="live", frame=3), 0),
    ],
)
def test_pictures_are_weighed_whether_planes_or_frames(message: Message, size: int) -> None:
    assert picture_bytes(message) == size
