"""Webhooks that were promised by a daemon that died."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from bridge.comfy.kept_calls import Call, KeptCalls

from ..comfy.hook import Hook


@pytest.mark.parametrize("client_id", ["", "somebody"])
def test_next_daemon_calls_what_a_killed_one_promised(
    spawn: Any, until: Any, hook: Hook, home: Path, client_id: str
) -> None:
    first = spawn()
    runtime = first.runtime
    asked = httpx.post(
        f"http://127.0.0.1:{runtime.port}/run",
        headers={"Authorization": f"Bearer {runtime.token}"},
        json={
            "prompt": {"1": {"class_type": "Echo", "inputs": {"steps": 40, "seconds": 0.05, "text": ""}}},
            "webhook": hook.url,
            "client_id": client_id,
        },
        trust_env=False,
    )
    assert asked.status_code == 202, asked.text
    first.process.kill()
    first.wait()
    assert hook.got.empty()
    (home / "webhooks" / "half.json").write_bytes(b'{"url": "http')
    spawn()
    _, _, result = hook.got.get(timeout=60)
    assert (result["prompt_id"], result["status"]) == (asked.json()["prompt_id"], "completed")
    until(lambda: [file.name for file in (home / "webhooks").iterdir()] == ["half.json"])


def test_call_that_was_dropped_is_not_made_again(tmp_path: Path) -> None:
    kept = KeptCalls(tmp_path / "webhooks")
    calls = [Call("http://127.0.0.1/", {"prompt_id": name, "number": 1.0}) for name in ("a", "b")]
    for call in calls:
        kept.keep(call)
    kept.drop(calls[0])
    kept.drop(calls[0])
    assert list(KeptCalls(tmp_path / "webhooks")) == [calls[1]]
