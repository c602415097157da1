"""When a live view captures, moment by moment."""

import pytest

from bridge.host import pace as module


@pytest.fixture
def pace():
    return module.Pace()


def made(pace, seen: str, at: float, took: float) -> None:
    """Capture and get the picture back."""
    pace.captured(seen, at, at)
    pace.answered(at + took)


def test_first_sight_is_captured(pace):
    assert pace.wants("a", 0.0)


def test_nothing_new_is_not_captured_again(pace):
    made(pace, "a", 0.0, 0.1)
    assert not pace.wants("a", 5.0)


def test_one_picture_is_under_way(pace):
    pace.wants("a", 0.0)
    pace.captured("a", 0.0, 0.0)
    assert not pace.wants("b", 1.0)
    assert not pace.wants("c", 2.0)


def test_what_changed_meanwhile_is_captured_once_as_it_is_then(pace):
    pace.wants("a", 0.0)
    pace.captured("a", 0.0, 0.0)
    pace.wants("b", 0.1)
    pace.wants("c", 0.2)
    pace.answered(0.3)
    assert pace.wants("c", 0.3)
    made(pace, "c", 0.3, 0.1)
    assert not pace.wants("c", 1.0)


def test_going_back_to_what_is_shown_needs_no_capture(pace):
    pace.wants("a", 0.0)
    pace.captured("a", 0.0, 0.0)
    pace.wants("b", 0.1)
    pace.answered(0.2)
    assert not pace.wants("a", 0.3)


def test_slow_pictures_wait_until_the_view_stands_still(pace):
    pace.wants("a", 0.0)
    made(pace, "a", 0.0, 4.0)
    assert not pace.wants("b", 5.0)
    assert not pace.wants("c", 5.2)
    assert not pace.wants("c", 5.2 + module.STILL_S / 2)
    assert pace.wants("c", 5.2 + module.STILL_S)


def test_slow_pictures_do_not_wait_for_ever(pace):
    pace.wants("a", 0.0)
    made(pace, "a", 0.0, 4.0)
    wanted = [pace.wants(str(moment), 5.0 + moment / 10) for moment in range(60)]
    assert wanted.index(True) / 10 == pytest.approx(module.PATIENCE_S, abs=0.11)


def test_captures_take_a_share_of_the_time_only(pace):
    pace.wants("a", 0.0)
    pace.captured("a", 0.0, 0.2)  # the capture took 200 ms
    pace.answered(0.3)
    assert not pace.wants("b", 0.3)
    assert pace.wants("b", 0.2 / module.SHARE)


def test_lost_picture_is_captured_anew(pace):
    pace.wants("a", 0.0)
    pace.captured("a", 0.0, 0.0)
    pace.forget()
    assert pace.wants("a", 1.0)


def test_mean_time_follows_the_machine(pace):
    pace.wants("a", 0.0)
    for turn in range(30):
        made(pace, str(turn), turn * 10.0, 2.0 if turn < 10 else 0.5)
    assert pace.seconds_per_picture == pytest.approx(0.5, abs=0.01)


def test_late_answer_to_what_is_forgotten_counts_for_nothing(pace):
    pace.captured("a", 0.0, 0.0)
    pace.forget()
    pace.answered(100.0)
    assert pace.seconds_per_picture == 0.0
