"""``/settings``: the editor's settings outlive it, and a kill."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def file(site):
    """The settings file, not yet there."""
    path = site.home / "user" / "default" / "comfy.settings.json"
    path.unlink(missing_ok=True)
    return path


def test_what_is_not_set_is_null(site, file):
    assert site.http.get("/settings").json() == {}
    assert site.http.get("/settings/Comfy.Nothing").json() is None


def test_settings_are_merged_and_kept(site, file):
    assert site.http.post("/api/settings", json={"a": 1, "b": [1]}).status_code == 200
    assert site.http.post("/api/settings/b", json={"c": None}).content == b""
    assert site.http.get("/settings").json() == {"a": 1, "b": {"c": None}} == json.loads(file.read_bytes())
    assert site.http.get("/settings/a").json() == 1


def test_changes_at_once_are_all_kept(site, file):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda count: site.http.post(f"/settings/s{count}", json=count), range(20)))
    assert site.http.get("/settings").json() == {f"s{count}": count for count in range(20)}


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff"])
def test_a_damaged_file_is_no_settings_and_is_written_anew(site, file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    assert site.http.get("/settings").json() == {}
    site.http.post("/settings/a", json=1)
    assert json.loads(file.read_bytes()) == {"a": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/settings", b"[]"),
        ("/settings", b"{"),
        ("/settings/a", b""),
        ("/settings/a", b"NaN"),
        ("/settings/a", b'"\\ud800"'),
    ],
)
def test_what_is_no_setting_is_refused(site, file, path, body):
    assert site.http.post(path, content=body).status_code == 400


def test_settings_do_not_grow_without_end(site, file):
    for name in ("a", "b"):
        answer = site.http.post(f"/settings/{name}", json="x" * 700_000)
    assert answer.status_code == 413
    assert site.http.post("/settings", content=b" " * 2_000_000).status_code == 413
