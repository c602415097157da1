import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from bridge.cli import job_list
from bridge.errors import BridgeError, InputError

QUEUE = [
    {"id": "aa111" + "0" * 27, "state": "running", "title": "a clay castle", "queued_at": 0},
    {"id": "aa112" + "0" * 27, "state": "waiting", "title": "[red] barn", "queued_at": 0},
    {"id": "a/b", "state": "waiting", "title": "somebody's", "queued_at": 0},
]
ENDED = [
    {
        "id": f"{number:02x}".ljust(32, "0"),
        "state": "failed" if number == 3 else "done",
        "title": f"picture {number}",
        "problem": "out of memory" if number == 3 else "",
        "ended_at": 0,
        "seconds": 1.25,
    }
    for number in range(60)
]


@pytest.fixture
def listed() -> list[str]:
    """What lists were asked for."""
    return []


@pytest.fixture
def asked(listed: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a daemon is asked to do that is not there."""
    asked: list[str] = []

    def ask(runtime: Any, method: str, path: str) -> Any:
        if method == "POST":
            asked.append(path)
            named = path.rpartition("/")[2]
            known = named == "forget" or named in {job["id"] for job in ENDED}
            return {"cancelled": path.endswith(QUEUE[0]["id"]), "forgotten": 60 * known}
        listed.append(path)
        if path == "/framebridge/now":
            return {"jobs": QUEUE}
        query = {name: int(value) for name, value in parse_qsl(urlsplit(path).query)}
        start = 60 - query.get("before", 60)  # the job of number n was the nth from the end
        jobs = ENDED[start:][: min(query["limit"], 24)]
        return {"jobs": jobs, "next": 60 - start - len(jobs) or None}

    monkeypatch.setattr(job_list, "ask", ask)
    monkeypatch.setattr(job_list, "running_daemon", lambda hint: None)
    monkeypatch.setattr(time, "time", lambda: 7200.0)
    monkeypatch.setenv("COLUMNS", "120")
    return asked


def test_queue_is_listed(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    job_list.list_queue(False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["aa1110000000", "running", "2", "h", "ago", "a", "clay", "castle"]
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


def test_no_more_is_asked_for_than_is_shown(asked: list[str], listed: list[str]) -> None:
    job_list.list_history(20, False)
    assert listed == ["/framebridge/history?limit=20"]


def test_empty_lists_say_so(
    asked: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "ask", lambda *request: {"jobs": [], "next": None})
    job_list.list_queue(False)
    job_list.list_history(5, False)
    assert capsys.readouterr().out == "nothing runs or waits\nnothing has ended yet\n"


def test_without_a_daemon_it_says_that_jobs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    for look in (lambda: job_list.list_queue(False), lambda: job_list.list_history(5, False)):
        with pytest.raises(BridgeError) as refusal:
            look()
        assert (refusal.value.code, refusal.value.hint) == ("no_daemon", job_list.KEPT)


def test_jobs_are_cancelled_by_their_first_letters(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job_list.cancel(["aa111"], False)
    job_list.cancel([], True)
    ids = QUEUE[0]["id"], QUEUE[0]["id"], QUEUE[1]["id"], "a%2Fb"
    assert asked == [f"/framebridge/cancel/{job_id}" for job_id in ids]
    assert "is cancelled" in capsys.readouterr().out


def test_jobs_are_forgotten_wherever_they_are_in_the_history(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    job_list.forget(["3b00"], False)
    job_list.forget([], True)
    assert asked == [f"/framebridge/forget/{ENDED[59]['id']}", "/framebridge/forget"]
    assert "60 jobs are forgotten" in capsys.readouterr().out


def test_whole_ids_are_sent_without_a_look_at_the_lists(
    asked: list[str], listed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    comfy = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    job_list.forget([ENDED[7]["id"]] * 2, False)
    job_list.cancel([QUEUE[0]["id"], comfy], False)
    with pytest.raises(BridgeError) as refusal:
        job_list.forget([comfy], False)
    assert refusal.value.code == "job_not_found"
    assert [path.rpartition("/")[2] for path in asked] == [ENDED[7]["id"], QUEUE[0]["id"], comfy, comfy]
    assert listed == []
    assert f"{comfy} has ended already" in capsys.readouterr().out


def test_names_of_clients_may_be_short_and_odd(asked: list[str]) -> None:
    job_list.cancel(["a/b"], False)
    assert asked == ["/framebridge/cancel/a%2Fb"]


@pytest.mark.parametrize("name", ["aa11", "zzzz"])
def test_a_name_that_means_no_job_or_several_is_refused(asked: list[str], name: str) -> None:
    with pytest.raises(BridgeError) as refusal:
        job_list.cancel([name], False)
    assert refusal.value.code == "job_not_found"
    assert asked == []


@pytest.mark.parametrize("name", ["", " ", "aa", "aa1"])
@pytest.mark.parametrize("command", [job_list.cancel, job_list.forget])
def test_nothing_is_chosen_by_a_few_letters(asked: list[str], command: Any, name: str) -> None:
    with pytest.raises(InputError) as refusal:
        command([name], False)
    assert refusal.value.code == "bad_usage"
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
