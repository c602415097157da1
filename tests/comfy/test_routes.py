"""Which routes there are, and that they are described."""

from pathlib import Path

from starlette.routing import Route, WebSocketRoute

from bridge.comfy.routes import twice
from bridge.daemon import Settings
from bridge.daemon.daemon import Daemon

PAGE = (Path(__file__).parents[2] / "docs" / "comfyui-api.md").read_text()


async def nothing(request):
    raise AssertionError


def test_every_route_is_there_twice_with_its_methods():
    doubled = twice([Route("/x", nothing, methods=["POST"]), WebSocketRoute("/ws", nothing)])
    assert [route.path for route in doubled] == ["/x", "/api/x", "/ws", "/api/ws"]
    assert doubled[1].methods == {"POST"}


async def test_every_route_is_described(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    daemon = Daemon(Settings(port=0))  # one that is never started
    paths = [getattr(route, "path", "") for route in daemon._compatible()]
    parts = {path.split("/")[1] for path in paths if f"/api{path}" in paths}
    assert {"prompt", "ws", "run", "history", "view", "object_info", "etn"} <= parts
    assert sorted(part for part in parts if f"/{part}" not in PAGE) == []


def test_wrong_method_is_told(site):
    for answer in (site.http.get("/interrupt"), site.http.delete("/api/prompt")):
        assert (answer.status_code, answer.json()["code"]) == (405, "wrong_method")


def test_route_that_is_not_here_is_told_as_that(site):
    for path in ("/customnode/getlist", "/api/assets", "/queue/nope"):
        answer = site.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
