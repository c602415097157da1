"""The section of models, of an editor without an engine, with a real daemon."""

from typing import Any

import pytest

from .test_core_panel import flat, panel  # noqa: F401 - fixture
from .test_core_studio import connected, core, daemon, editor, home, studio, wait  # noqa: F401 - fixtures


@pytest.fixture
def opened() -> list[bool]:
    return []


@pytest.fixture
def models(panel: Any, connected: Any) -> Any:  # noqa: F811
    panel.set("fold:models", True)
    panel.items()
    wait(connected, lambda: connected.shelf.cards)
    return panel


def texts(panel: Any) -> list[str]:  # noqa: F811
    return [item.text for item in flat(panel.items()) if type(item).__name__ == "Text"]


def item_named(panel: Any, name: str) -> Any:  # noqa: F811
    return next(item for item in flat(panel.items()) if getattr(item, "name", "") == name)


def test_nothing_is_asked_while_it_is_folded(panel, connected):  # noqa: F811
    panel.items()
    assert not connected.shelf.is_looked_at


def test_installed_models_are_listed_by_kind_with_what_is_known(models, connected):  # noqa: F811
    listed = item_named(models, "models:card")
    assert listed.choices[1] == ("framebridge-demo", "framebridge-demo  SD 1")
    models.set("models:card", "framebridge-demo")
    assert "Made for: Stable Diffusion 1.x" in texts(models)
    models.set("models:kind", "loras")
    wait(connected, lambda: connected.shelf.cards)
    assert item_named(models, "models:card").choices[1][0] == "framebridge-demo-chalkboard"


def test_what_may_not_be_fetched_is_refused_with_a_remedy(models, connected):  # noqa: F811
    models.set("models:address", "https://192.168.0.1/x.safetensors")
    models.do("models:plan")
    wait(connected, lambda: connected.shelf.problem)
    told = " ".join(texts(models))
    assert "private address" in told
    assert "models add FILE" in told
    models.do("models:decline")
    assert "private address" not in " ".join(texts(models))


def test_a_plan_is_shown_and_agreed_to(models, connected, core, monkeypatch):  # noqa: F811
    plan = core("_bridge.host.model_cards").PullPlan("p1", "hf:a/b/c", "loras", "c.safetensors", 10**6, "MIT")
    connected.shelf.plan = plan
    assert {"From: hf:a/b/c", "Licence: MIT", "Size: 1 MB (0 bytes are free)"} <= set(texts(models))
    agreed = []
    monkeypatch.setattr(connected.shelf, "agree", lambda: agreed.append(connected.shelf.plan))
    models.set("models:address", "hf:a/b/c")
    models.do("models:agree")
    assert agreed == [plan]
    assert item_named(models, "models:address").value == ""


def test_what_a_preset_lacks_is_named_with_a_way_to_get_it(models, connected):  # noqa: F811
    connected.choices.choose("stylize-sd15")
    models.do("models:lacking")
    wait(connected, lambda: connected.shelf.lacking)
    buttons = [item.label for item in flat(models.items()) if type(item).__name__ == "Button"]
    assert "Get…" in buttons
    assert any("Stable Diffusion 1.5" in text for text in texts(models))
