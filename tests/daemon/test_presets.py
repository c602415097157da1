"""Presets over the socket: which there are, and one made of a workflow that was sent."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.client import Client
from bridge.errors import BridgeError
from bridge.protocol import InspectWorkflow, Message, RemovePreset, SavePreset

from .conftest import Spawned

WORKFLOW = {"1": {"class_type": "Echo", "inputs": {"steps": 2, "seconds": 0.0, "text": "a fox"}}}


@pytest.fixture
def client(spawn: Callable[..., Spawned]) -> Iterator[Client]:
    with spawn().client() as connected:
        connected.wait_ready()
        yield connected


def ask(client: Client, kind: type[Message], *fields: Any, **named: Any) -> dict[str, Any]:
    return dict(client.ask(kind(client.new_request(), *fields, **named)))  # type: ignore[call-arg]


def presets(client: Client) -> dict[str, Any]:
    return {entry["name"]: entry for entry in client.query("presets")["presets"]}


def test_a_workflow_that_was_sent_becomes_a_preset_that_runs(client: Client) -> None:
    offer = ask(client, InspectWorkflow, WORKFLOW)
    assert offer["inputs"] == {"1.steps": "Echo: steps", "1.seconds": "Echo: seconds", "1.text": "Echo: text"}
    assert [shown["name"] for shown in offer["suggested"]] == ["steps"]
    saved = ask(client, SavePreset, "My echo", WORKFLOW, {"1.steps": "", "1.text": "What"})
    assert saved == {"name": "my-echo"}
    kept = presets(client)["my-echo"]
    assert [(control["name"], control["label"]) for control in kept["controls"]] == [
        ("steps", "Steps"),
        ("1_text", "What"),
    ]
    assert client.run(preset="my-echo", values={"steps": 1, "1_text": "hello"}).images
    ask(client, RemovePreset, "my-echo")
    assert "my-echo" not in presets(client)
    assert "stylize" in presets(client)


def test_broken_files_are_told_and_logged_at_every_change(client: Client, home: Path) -> None:
    folder = home / "presets"
    folder.mkdir(exist_ok=True)
    lost = {"name": "x", "label": "X", "node": "1", "input": "gone", "type": "text", "default": ""}
    broken = {
        "bytes": b"\x93\xfe\x00",
        "control": json.dumps({"title": "C", "workflow": WORKFLOW, "controls": [lost]}).encode(),
        "empty": b"",
        "hollow": b'{"title": "H", "workflow": {}, "controls": []}',
        "json": b"{",
        "list": b"[]",
        "nameless": json.dumps({"title": None, "workflow": WORKFLOW, "controls": []}).encode(),
    }
    for name, text in broken.items():
        (folder / f"{name}.json").write_bytes(text)

    def logged(name: str) -> int:
        return (home / "daemon.log").read_text("utf-8").count(f"preset '{name}' cannot be read: ")

    for _ in range(2):
        answer = client.query("presets")
        assert "stylize" in {entry["name"] for entry in answer["presets"]}
        faults = {fault["hint"]: fault for fault in answer["faults"]}
        assert set(faults) == {f"See {folder / name}.json." for name in broken}
        assert {fault["code"] for fault in faults.values()} == {"bad_preset"}
        assert {name: logged(name) for name in broken} == dict.fromkeys(broken, 1)
    (folder / "list.json").unlink()
    client.query("presets")
    (folder / "list.json").write_bytes(b"[]")
    (folder / "empty.json").write_bytes(b"{")
    client.query("presets")
    assert [name for name in broken if logged(name) == 2] == ["empty", "list"]


def test_what_cannot_be_is_told_and_the_connection_goes_on(client: Client) -> None:
    ask(client, SavePreset, "Mine", WORKFLOW)
    for message, code in (
        ((SavePreset, "Mine", WORKFLOW), "preset_exists"),
        ((SavePreset, "Other", WORKFLOW, {"9.x": ""}), "bad_show"),
        ((SavePreset, "Other", WORKFLOW, {}, {"1": "depth"}), "bad_feed"),
        ((SavePreset, "Other", {"1": {"class_type": "Gone", "inputs": {}}}), "unknown_node"),
        ((InspectWorkflow, {}), "no_outputs"),
        ((RemovePreset, "stylize"), "unknown_preset"),
    ):
        with pytest.raises(BridgeError) as caught:
            ask(client, *message)
        assert caught.value.code == code
    assert "mine" in presets(client)
