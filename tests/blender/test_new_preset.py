"""A preset of one's own, from a workflow that was sent, to a picture."""

from typing import Any

import pytest

VERSIONS = ("5.0",)
"""What differs between versions is tested elsewhere."""


@pytest.fixture(scope="module")
def own(blender, daemon_home) -> dict[str, Any]:
    return blender.run("new_preset", environment={"FRAMEBRIDGE_HOME": str(daemon_home)})


def test_a_workflow_that_was_sent_becomes_a_preset_that_paints_the_viewport(own):
    found = own["made"]
    assert found["opened"] == found["saved"] == found["generated"] == ["FINISHED"]
    assert found["title"] == "Oil paint"
    assert [plane for _, plane in found["pictures"]] == ["color"]
    assert found["offered"]["2.text"]
    assert not found["offered"]["6.sampler_name"]
    assert {"Prompt", "Seed", "How"} <= set(found["labels"])
    assert found["trouble"] == "None"
    assert found["size"] == [128, 72]
    assert found["prompt"] == "neon"


def test_what_cannot_be_is_told_and_nothing_is_lost(own):
    found = own["refused"]
    assert "Export (API)" in found["no workflow"]
    assert "cannot be read" in found["gone"]
    assert "Open one first" in found["nothing open"]
    assert "NoSuchNode" in found["unknown node"]
    assert found["again"] == "preset_exists"
    assert found["still open"]
    assert found["replaced"] == "oil-paint"
