"""The template browser: examples and presets, as the editor draws them."""

import json
from pathlib import Path

import pytest

from bridge.builtin import all_presets, examples


def test_examples_come_first_and_then_the_presets(site):
    first, second = site.http.get("/templates/index.json").json()
    assert first["title"] == "Examples"
    assert [entry["name"] for entry in first["templates"]] == [f"example-{each.name}" for each in examples()]
    assert {entry["name"] for entry in second["templates"]} == {f"preset-{name}" for name in all_presets()[0]}
    assert all(entry["title"] and entry["description"] for entry in first["templates"] + second["templates"])


def test_a_preset_that_the_user_has_saved_is_there_too(site):
    folder = site.home / "presets"
    folder.mkdir(exist_ok=True)
    data = json.loads(Path("bridge/builtin/presets/upscale.json").read_text())
    (folder / "mine.json").write_text(json.dumps({**data, "title": "Mine"}))
    _, presets = site.http.get("/templates/index.json").json()
    assert "Mine" in [entry["title"] for entry in presets["templates"]]


def test_pictures_are_those_of_examples_and_presets(site):
    for name, kind in (("example-enlarge-1.webp", "image/webp"), ("preset-stylize-sdxl-1.png", "image/png")):
        assert site.http.get(f"/templates/{name}").headers["content-type"] == kind
    assert site.http.get("/templates/example-text-to-picture-1.webp").status_code == 404


@pytest.mark.parametrize("name", ["none.json", "preset-none-1.png", "preset-stylize.json"])
def test_what_is_not_there_or_has_no_nodes_here_is_not_found(site, name):
    assert site.http.get(f"/templates/{name}").status_code == 404


def test_nothing_more_is_brought(site):
    for path in ("/i18n", "/workflow_templates", "/global_subgraphs", "/templates/index_logo.json"):
        assert site.http.get(path).json() == {}
