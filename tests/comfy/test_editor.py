"""The editor's own files, and what packs of nodes bring for it; the editor in a browser: tests/browser."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bridge.comfy import editor
from bridge.comfy.editor import editor_folder, editor_routes
from bridge.comfy.routes import twice
from bridge.comfy.templates import template_routes


def write(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def packs(tmp_path: Path) -> dict[str, dict[str, str]]:
    """One pack with everything, and one that translates the same texts."""
    first = write(
        tmp_path / "first",
        web__a_dot_js="1",
        web__deep__b_dot_js="2",
        web__look_dot_css="p {}",
        examples__try_dot_json='{"nodes": []}',
        locales__de__main_dot_json='{"g": {"run": "Los", "stop": "Halt"}}',
        locales__de__nodeDefs_dot_json='{"A": {"display_name": "Ah"}}',
        locales__fr__main_dot_json="no json",
    )
    second = write(tmp_path / "second", locales__de__main_dot_json='{"g": {"run": "Start"}, "x": 1}')
    return {
        "first": {kind: str(first / kind) for kind in ("web", "examples", "locales")},
        "second": {"locales": str(second / "locales"), "web": str(tmp_path / "gone")},
    }


@pytest.fixture
def site(tmp_path: Path, packs) -> Iterator[TestClient]:
    """An editor of three files, behind its routes alone."""
    folder = write(
        tmp_path / "static",
        index_dot_html="<script src=assets/a.js></script>",
        assets__a_dot_js="go()",
        extensions__core__c_dot_js="3",
        look_dot_css="p {}",
    )
    service = SimpleNamespace(packs=packs)
    routes = [*twice(template_routes(service, ())), *editor_routes(folder, service)]
    with TestClient(Starlette(routes=routes)) as client:
        yield client


def test_the_page_may_reach_nothing_but_the_daemon(site):
    answer = site.get("/")
    assert answer.text.startswith("<script")
    assert answer.headers["content-type"].startswith("text/html")
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["connect-src"] == "'self' data: blob:"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert "http" not in answer.headers["content-security-policy"]


def test_its_files_have_their_types_on_every_system(site, monkeypatch):
    monkeypatch.setattr("mimetypes.guess_type", lambda *arguments, **options: ("text/plain", None))
    for path, kind in (
        ("/assets/a.js", "text/javascript"),
        ("/look.css", "text/css"),
        ("/user.css", "text/css"),
    ):
        assert site.get(path).headers["content-type"].startswith(kind)
    assert site.get("/assets/../index.html").status_code == 404


def test_scripts_of_the_editor_and_of_packs_are_listed_and_served(site):
    listed = site.get("/api/extensions").json()
    assert listed == ["/extensions/core/c.js", "/extensions/first/a.js", "/extensions/first/deep/b.js"]
    assert [site.get(path).text for path in listed] == ["3", "1", "2"]
    assert site.get("/extensions/first/look.css").status_code == 200
    assert site.get("/extensions/first/none.js").status_code == 404
    assert site.get("/extensions/first/..%2Fexamples%2Ftry.json").status_code == 403
    assert site.get("/extensions/%2e%2e/index.html").status_code == 403


def test_examples_of_packs_are_listed_and_served(site):
    assert site.get("/api/workflow_templates").json() == {"first": ["try"]}
    assert site.get("/api/workflow_templates/first/try.json").json() == {"nodes": []}
    assert site.get("/api/workflow_templates/first/try.jpg").status_code == 404
    assert site.get("/api/workflow_templates/second/try.json").status_code == 404


def test_translations_of_packs_are_put_together(site):
    german = {"g": {"run": "Start", "stop": "Halt"}, "nodeDefs": {"A": {"display_name": "Ah"}}, "x": 1}
    assert site.get("/api/i18n").json() == {"de": german, "fr": {}}


def test_without_the_package_there_is_no_editor(monkeypatch, tmp_path):
    assert (editor_folder() / "index.html").is_file()
    for found in (None, SimpleNamespace(submodule_search_locations=[str(tmp_path)])):
        with monkeypatch.context() as patch:
            patch.setattr(editor.importlib.util, "find_spec", lambda name, found=found: found)
            assert editor_folder() is None
