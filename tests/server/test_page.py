import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.responses import StreamingResponse

from bridge.errors import Problem
from bridge.jobs import JobRecord
from bridge.protocol import Plane, Result
from bridge.server.page import HISTORY_PAGE, MAX_TITLE, MOST_LISTED, _picture, title_of

PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a clay   castle\n", "clip": ["4", 1]}},
}
PICTURE = Plane("image", (2, 3, 3), "u8", bytes(range(18)))


def job(name: str, state: str = "done", session: str = "secret-session", **changes: Any) -> JobRecord:
    return JobRecord(name, session, 1.0, PROMPT, {}, ("9",), state, 100.0, **changes)


@pytest.fixture
async def browser(site: Any) -> Any:
    """A browser that was let in."""
    async with site.http() as http:
        path = (await http.post("/framebridge/key")).json()["path"]
    async with httpx.AsyncClient(base_url=f"http://{site.host}", trust_env=False) as http:
        await http.get(path)
        yield http


async def test_page_and_its_parts_are_shown_to_whoever_was_let_in(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (await browser.get("/framebridge")).text == page.text
    parts = re.findall(r'(?:href|src)="(/[^"]+)"', page.text)
    assert len(parts) == 2
    for part in parts:
        assert (await browser.get(part)).status_code == 200


async def test_policy_of_the_page_lets_nothing_in_that_is_not_ours(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<style" not in page.text
    assert not re.search(r"\son\w+=|<script(?![^>]*src=)|style=", page.text), (
        "nothing inline, which would not run"
    )
    assert "http:" not in page.text
    assert "https:" not in page.text


async def test_page_holds_no_secret(site: Any, browser: httpx.AsyncClient) -> None:
    async with site.client() as peer:
        site.service.records = [job("j1", "running"), job("j2")]
        for path in ("/", "/framebridge/now", "/framebridge/history", "/framebridge/models"):
            text = (await browser.get(path)).text
            assert "the-secret-token" not in text
            assert "secret-session" not in text
            assert peer.name not in text


async def test_it_says_who_is_here_what_runs_and_what_waits(site: Any, browser: httpx.AsyncClient) -> None:
    async with site.client() as peer:
        site.service.records = [
            job("j1", "running", peer.name, began_at=101.0),
            job("j2", "waiting", "comfy:x"),
            job("j3"),
        ]
        site.service.measured = {"vram_total_bytes": 24e9}
        with site.clients.guest("comfy:x", "editor"):
            now = (await browser.get("/framebridge/now")).json()
    assert [(each["id"], each["state"], each["title"]) for each in now["jobs"]] == [
        ("j1", "running", "a clay castle"),
        ("j2", "waiting", "a clay castle"),
    ]
    assert [(each["program"], each["jobs"]) for each in now["sessions"]] == [
        ("test", 1),
        ("editor", 1),
    ]
    assert (now["worker"], now["device"], now["history"], now["newest"]) == ("ready", "cpu", 1, "j3")
    assert now["memory"]["vram_total_bytes"] == 24e9


async def test_history_comes_page_by_page_newest_first(site: Any, browser: httpx.AsyncClient) -> None:
    site.service.records = [job(f"j{number}") for number in range(HISTORY_PAGE + 2)]
    first = (await browser.get("/framebridge/history")).json()
    rest = (await browser.get(f"/framebridge/history?offset={HISTORY_PAGE}")).json()
    assert [each["id"] for each in first["jobs"] + rest["jobs"]] == [
        f"j{number}" for number in reversed(range(HISTORY_PAGE + 2))
    ]
    assert first["size"] == HISTORY_PAGE + 2


async def test_one_page_leads_to_the_next_whatever_ends_meanwhile(
    site: Any, browser: httpx.AsyncClient
) -> None:
    site.service.records = [job(f"j{number}", ending=number) for number in range(1, 6)]
    first = (await browser.get("/framebridge/history?limit=3")).json()
    site.service.records.append(job("j6", ending=6))
    rest = (await browser.get(f"/framebridge/history?limit=3&before={first['next']}")).json()
    assert [each["id"] for each in first["jobs"] + rest["jobs"]] == ["j5", "j4", "j3", "j2", "j1"]
    assert rest["next"] is None


async def test_a_shorter_page_leads_on_too(
    site: Any, browser: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.service.records = [job(f"j{number}", ending=number) for number in range(1, 4)]
    page = site.service.page
    monkeypatch.setattr(site.service.history, "page", lambda limit, *given, **more: page(1, *given, **more))
    answers = [(await browser.get("/framebridge/history")).json()]
    while before := answers[-1]["next"]:
        answers.append((await browser.get(f"/framebridge/history?before={before}")).json())
    assert [each["id"] for answer in answers for each in answer["jobs"]] == ["j3", "j2", "j1"]


async def test_a_page_is_as_long_as_is_asked_for_within_bounds(site: Any, browser: httpx.AsyncClient) -> None:
    site.service.records = [job(f"j{number}") for number in range(MOST_LISTED + 2)]
    for limit, length in ((1, 1), (MOST_LISTED, MOST_LISTED), (10**30, MOST_LISTED)):
        answer = await browser.get("/framebridge/history", params={"limit": limit, "offset": 1})
        assert len(answer.json()["jobs"]) == length
        assert answer.json()["jobs"][0]["id"] == f"j{MOST_LISTED}"


@pytest.mark.parametrize("number", ["-1", "x", "1.5", "-" + "1" * 30])
@pytest.mark.parametrize("name", ["offset", "limit", "before"])
async def test_places_and_lengths_are_numbers(browser: httpx.AsyncClient, name: str, number: str) -> None:
    assert (await browser.get("/framebridge/history", params={name: number})).status_code == 400


async def test_pictures_in_folders_are_named_and_problems_told(site: Any, browser: httpx.AsyncClient) -> None:
    shown = {
        "9": {
            "images": [{"filename": "a&b ü.png", "subfolder": "x", "type": "output"}, "odd"],
            "text": ["hi"],
        }
    }
    problem = Problem("out_of_memory", "the device is full")
    site.service.records = [
        job("j1", shown=shown, timings={"run": 2.5, "queue": 9.0}),
        job("j2", "failed", problems=(problem,), began_at=10.0, ended_at=14.0),
        job("j3", "cancelled"),
    ]
    cancelled, failed, done = (await browser.get("/framebridge/history")).json()["jobs"]
    assert done["pictures"] == ["/view?filename=a%26b+%C3%BC.png&subfolder=x&type=output"]
    assert done["seconds"] == 2.5
    assert (failed["problem"], failed["seconds"], failed["pictures"]) == ("the device is full", 4.0, [])
    assert cancelled["seconds"] == 0


async def test_jobs_of_anybody_can_be_cancelled_by_our_page_only(
    site: Any, browser: httpx.AsyncClient
) -> None:
    own = {"Origin": f"http://{site.host}"}
    assert (await browser.post("/framebridge/cancel/running")).status_code == 401
    assert (await browser.post("/framebridge/cancel/running", headers=own)).json() == {"cancelled": True}
    assert ("cancel", "", "running") in site.service.calls
    assert (await browser.post("/framebridge/cancel/a%2Fb", headers=own)).json() == {"cancelled": False}
    assert ("cancel", "", "a/b") in site.service.calls, "clients name their jobs as they like"
    assert (await browser.get("/framebridge/cancel/running")).status_code == 405


async def test_jobs_that_have_ended_can_be_forgotten(site: Any, browser: httpx.AsyncClient) -> None:
    site.service.records = [job("j1", "running"), job("j2"), job("j/3"), job("j4"), job("j5")]
    own = {"Origin": f"http://{site.host}"}
    for path, forgotten in (
        ("forget/j2", 1),
        ("forget/j1", 0),
        ("forget/", 0),
        ("forget/j%2F3", 1),
        ("forget", 2),
    ):
        assert (await browser.post(f"/framebridge/{path}", headers=own)).json() == {"forgotten": forgotten}
    assert [record.id for record in site.service.records] == ["j1"]


async def test_result_of_a_job_for_a_host_is_given_as_it_is(site: Any, browser: httpx.AsyncClient) -> None:
    site.service.records = [job("j1"), job("j2"), job("j3"), job("j4")]
    packed = Plane("image", (2, 3, 3), "u8", b"webp bytes", codec="webp")
    floats = Plane("image", (1, 1), "f32", bytes(4))
    site.service.pictures = {
        "j1": [Result("9", (PICTURE,))],
        "j2": [Result("9", (packed,))],
        "j3": [Result("9", (floats,))],
    }
    raw = await browser.get("/framebridge/result/j1")
    assert (raw.content, raw.headers["x-shape"]) == (bytes(range(18)), "2,3,3")
    assert raw.headers["content-type"] == "application/octet-stream"
    assert raw.headers["cross-origin-resource-policy"] == "same-origin"
    packed_answer = await browser.get("/framebridge/result/j2")
    assert (packed_answer.content, packed_answer.headers["content-type"]) == (b"webp bytes", "image/webp")
    for name, status in (("j3", 404), ("j4", 404), ("nobody", 404)):
        assert (await browser.get(f"/framebridge/result/{name}")).status_code == status


async def test_a_large_picture_is_handed_out_in_pieces() -> None:
    pixels = bytes(600 * 600 * 3)
    answer = _picture(Result("9", (Plane("image", (600, 600, 3), "u8", pixels),)))
    assert isinstance(answer, StreamingResponse)
    assert b"".join([bytes(piece) async for piece in answer.body_iterator]) == pixels
    assert answer.headers["x-shape"] == "600,600,3"


async def test_live_streams_show_their_newest_picture(site: Any, browser: httpx.AsyncClient) -> None:
    prepared = SimpleNamespace(workflow=PROMPT)
    shown = Result("9", (PICTURE,), stream="live", frame=7)
    site.service.live_streams = [
        SimpleNamespace(session="secret", name="live", prepared=prepared, shown=shown, refusal=None),
        SimpleNamespace(
            session="secret", name="new", prepared=prepared, shown=None, refusal=Problem("x", "no")
        ),
    ]
    first, second = (await browser.get("/framebridge/now")).json()["streams"]
    assert (first["frame"], first["title"], first["problem"]) == (7, "a clay castle", "")
    assert (second["frame"], second["problem"]) == (0, "no")
    assert (await browser.get(f"/framebridge/stream/{first['id']}")).content == bytes(range(18))
    assert (await browser.get(f"/framebridge/stream/{second['id']}")).status_code == 404
    assert (await browser.get("/framebridge/stream/nowhere")).status_code == 404


async def test_models_are_listed_by_kind(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/framebridge/models")).json() == {"models": {"checkpoints": ["demo"]}}


@pytest.mark.parametrize(
    ("prompt", "title"),
    [
        (PROMPT, "a clay castle"),
        ({"1": {"class_type": "A", "inputs": {"text": ["2", 0]}}, "2": {"class_type": "B"}}, "B"),
        ({"1": {"class_type": "A", "inputs": {"text": " ", "prompt": "x" * 500}}}, "x" * MAX_TITLE),
        ({"1": "odd", "2": {"inputs": 7}}, ""),
        ({}, "nothing"),
    ],
)
def test_job_is_called_by_its_text(prompt: Any, title: str) -> None:
    assert title_of(prompt) == title
