"""Clients of ComfyUI's API, as they are published, drive the daemon unchanged."""

import httpx

from .conftest import RunClient


def test_comfy_api_simplified(run_client: RunClient) -> None:
    told = run_client("simplified.py")
    assert len(told["pictures"]) == 2
    assert min(told["pictures"]) > 100
    assert bytes(told["preview"]) == b"\x89PNG\r\n\x1a\n"
    assert told["uploaded"]["type"] == "input"
    assert told["queue"] == {"queue_running": [], "queue_pending": []}
    assert told["nodes"] > 250
    assert told["one"] == ["SaveImage"]
    assert told["stats"] == ["devices", "system"]
    assert isinstance(told["embeddings"], list)
    assert "400" in told["refusal"]


def test_comfyui_utils(run_client: RunClient) -> None:
    told = run_client("utils.py")
    assert told["sizes"][0] > 100
    assert told["again"]
    assert "Node 1, width: Value -1 smaller than min of 1" in told["refusal"]


def test_comfy_script_has_a_function_for_every_node(run_client: RunClient, server: str) -> None:
    told = run_client("script.py", "framebridge-demo")
    assert told["pixel"] == [0, 255, 0]
    assert told["size"] == [64, 64]
    offered = httpx.get(f"{server}/object_info", timeout=60).json()
    assert set(told["nodes"]) == set(offered)
