import json
import time
from typing import Any

import pytest

from bridge.cli import job_list
from bridge.errors import BridgeError, InputError

QUEUE = [
    {"id": "aa11" + "0" * 28, "state": "running", "title": "a clay castle", "queued_at": 0},
    {"id": "aa22" + "0" * 28, "state": "waiting", "title": "[red] barn", "queued_at": 0},
]
ENDED = [
    {
        "id": f"{number:032x}",
        "state": "failed" if number == 3 else "done",
        "title": f"picture {number}",
        "problem": "out of memory" if number == 3 else "",
        "ended_at": 0,
        "seconds": 1.25,
    }
    for number in range(60)
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a daemon is asked that is not there."""
    asked: list[str] = []

    def ask(runtime: Any, method: str, path: str) -> Any:
        if method == "POST":
            asked.append(path)
            return {"cancelled": path.endswith(QUEUE[0]["id"]), "forgotten": 60}
        if path == "/framebridge/now":
            return {"jobs": QUEUE}
        offset = int(path.removeprefix("/framebridge/history?offset="))
        return {"jobs": ENDED[offset : offset + 24]}

    monkeypatch.setattr(job_list, "ask", ask)
    monkeypatch.setattr(job_list, "running_daemon", lambda: None)
    monkeypatch.setattr(time, "time", lambda: 7200.0)
    monkeypatch.setenv("COLUMNS", "120")
    return asked


def test_queue_is_listed(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    job_list.list_queue(False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["aa1100000000", "running", "2", "h", "ago", "a", "clay", "castle"]
    assert "[red] barn" in lines[2]
    job_list.list_queue(True)
    assert json.loads(capsys.readouterr().out) == QUEUE


def test_history_is_listed_page_by_page(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    job_list.list_history(50, False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 51
    assert "out of memory" in lines[4]
    job_list.list_history(1000, True)
    assert json.loads(capsys.readouterr().out) == ENDED


def test_empty_lists_say_so(
    asked: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "ask", lambda *request: {"jobs": []})
    job_list.list_queue(False)
    job_list.list_history(5, False)
    assert capsys.readouterr().out == "nothing runs or waits\nnothing has ended yet\n"


def test_jobs_are_cancelled_by_their_first_letters(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job_list.cancel(["aa11"], False)
    job_list.cancel([], True)
    assert asked == [f"/framebridge/cancel/{QUEUE[index]['id']}" for index in (0, 0, 1)]
    assert "is cancelled" in capsys.readouterr().out


def test_jobs_are_forgotten_wherever_they_are_in_the_history(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job_list.forget([ENDED[59]["id"]], False)
    job_list.forget([], True)
    assert asked == [f"/framebridge/forget/{ENDED[59]['id']}", "/framebridge/forget"]
    assert "60 jobs are forgotten" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["aa", "zz"])
def test_a_name_that_means_no_job_or_several_is_refused(asked: list[str], name: str) -> None:
    with pytest.raises(BridgeError) as refusal:
        job_list.cancel([name], False)
    assert refusal.value.code == "job_not_found"
    assert asked == []


def test_either_names_or_all(asked: list[str]) -> None:
    for names, everything in (([], False), (["aa11"], True)):
        with pytest.raises(InputError):
            job_list.forget(names, everything)
    assert asked == []


def test_moments_are_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1e6)
    ages = [job_list._ago(1e6 - seconds) for seconds in (-5, 7, 130, 7300, 200_000)]
    assert ages == ["0 s ago", "7 s ago", "2 min ago", "2 h ago", "2 d ago"]
