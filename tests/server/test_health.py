import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge.protocol import State
from bridge.server import room_in


@pytest.fixture
def problems() -> dict[str, str]:
    """What the checks find."""
    return {"disk": ""}


@pytest.fixture
async def checked(serve: Any, problems: dict[str, str]) -> AsyncIterator[Any]:
    async def disk() -> str:
        return problems["disk"]

    async with serve(checks={"disk": disk}) as running:
        yield running


def stranger(site: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{site.host}", trust_env=False)


async def test_anybody_may_ask_whether_it_is_ready_and_learns_only_that(
    checked: Any, problems: dict[str, str]
) -> None:
    async with stranger(checked) as http:
        response = await http.get("/ready")
        assert (response.status_code, response.json()) == (200, {"status": "ready"})
        problems["disk"] = "0.5 GB are free in /home/somebody"
        response = await http.get("/ready")
        assert (response.status_code, response.json()) == (503, {"status": "not_ready"})
        wrong = await http.get("/ready", headers={"Authorization": "Bearer wrong"})
        assert wrong.json() == {"status": "not_ready"}


@pytest.mark.parametrize("state", [State("restarting", "it died"), State("failed")])
async def test_whoever_shows_the_token_learns_why_not(
    checked: Any, problems: dict[str, str], state: State
) -> None:
    checked.service.state = state
    checked.service.queue_problem = "jobs cannot be kept"
    problems["disk"] = "it is full"
    async with checked.http() as http:
        response = await http.get("/ready")
    worker = f"{state.worker}: {state.detail}" if state.detail else state.worker
    assert response.status_code == 503
    assert response.json() == {
        "status": "not_ready",
        "problems": {"disk": "it is full", "queue": "jobs cannot be kept", "worker": worker},
        "queue_depth": 0,
    }


async def test_a_worker_at_work_is_ready(checked: Any) -> None:
    checked.service.state = State("busy", queue_remaining=2)
    async with checked.http() as http:
        assert (await http.get("/ready")).json() == {"status": "ready", "problems": {}, "queue_depth": 2}


async def test_metrics_need_the_token_and_tell_what_is_counted(checked: Any) -> None:
    checked.service.measured = {"torch_vram_total_bytes": 5e9, "model_cache_hits": 3.0}
    checked.service.state = State("busy", queue_remaining=2)
    async with stranger(checked) as http:
        assert (await http.get("/metrics")).status_code == 401
    async with checked.client(), checked.http() as http:
        response = await http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    found = {
        sample.name.removeprefix("framebridge_"): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }
    assert (found["queue_depth"], found["ws_clients"], found["worker_up"]) == (2, 1, 1)
    assert (found["vram_bytes"], found["model_cache_hits"]) == (5e9, 3)
    assert found["rss_bytes"] > 1e6
    assert found["auth_failures_total"] == 1


async def test_a_full_disk_and_a_folder_that_is_gone_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await room_in(tmp_path)() == ""
    assert (
        await room_in(tmp_path, tmp_path / "gone")()
        == f"{tmp_path / 'gone'} cannot be read: {os.strerror(2)}"
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=5e8))
    assert await room_in(tmp_path)() == f"0.5 GB are free in {tmp_path}"
