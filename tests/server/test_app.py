from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from websockets.exceptions import InvalidStatus

from bridge.errors import InputError


async def extra(request: Request) -> PlainTextResponse:
    if request.query_params.get("fault") == "ours":
        raise ZeroDivisionError("division by zero")
    if request.query_params.get("fault") == "theirs":
        raise InputError("the picture is upside down", code="bad_image", hint="Turn it.")
    if request.query_params.get("fault") == "missing":
        raise HTTPException(404, "there is no such picture")
    return PlainTextResponse("peer")


async def test_refused_stop_stops_nothing(serve: Any) -> None:
    async with serve() as site, httpx.AsyncClient(base_url=f"http://{site.host}", trust_env=False) as http:
        assert (await http.post("/stop")).status_code == 401
        assert (await http.post("/stop", headers=site.headers(Host="evil.example"))).status_code == 403
        assert (await http.get("/stop", headers=site.headers())).status_code == 405
        assert site.stopped == []
        assert (await http.post("/stop", headers=site.headers())).json() == {"status": "stopping", "jobs": 0}
        assert site.stopped == [True]


@pytest.mark.parametrize("path", ["/bridge", "/", "/nowhere"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": ""}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
    ],
)
async def test_upgrades_are_guarded_like_requests(
    site: Any, path: str, changes: dict[str, str], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        async with site.websocket(uri=path, additional_headers=site.headers(**changes)):
            pass
    assert refusal.value.response.status_code == status
    assert site.service.calls == []


async def raw_status(site: Any, head: str) -> int:
    async with site.raw() as peer:
        peer.writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return int((await peer.reader.readline()).split()[1])


@pytest.mark.parametrize("path", ["/status", "/bridge", "/health"])
async def test_headers_that_two_readers_could_read_differently_are_refused(site: Any, path: str) -> None:
    own = f"Host: {site.host}"
    token = "Authorization: Bearer the-secret-token-of-this-run"
    assert await raw_status(site, f"GET {path} HTTP/1.1\n{own}\nHost: evil.example\n{token}") in (400, 403)
    assert await raw_status(site, f"GET {path} HTTP/1.0\n{token}") == 403
    assert (
        await raw_status(
            site, f"GET {path} HTTP/1.1\n{own}\n{token}\nOrigin: http://{site.host}\nOrigin: null"
        )
        == 403
    )
    if path != "/health":
        assert await raw_status(site, f"GET {path} HTTP/1.1\n{own}\n{token}\n{token}") == 401


async def test_upgrade_with_a_foreign_host_is_refused(site: Any) -> None:
    head = (
        "GET /bridge HTTP/1.1\nHost: evil.example\nAuthorization: Bearer the-secret-token-of-this-run\n"
        "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    )
    assert await raw_status(site, head) == 403


async def test_nobody_may_speak_for_another_address(site: Any) -> None:
    async with site.http() as http:
        response = await http.get(
            "/status", headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "8.8.8.8"}
        )
    assert response.status_code == 200


async def test_health_says_only_that_it_lives(site: Any) -> None:
    async with httpx.AsyncClient(base_url=f"http://{site.host}", trust_env=False) as http:
        response = await http.get("/health")
    assert response.json() == {"status": "ok"}
    assert "server" not in response.headers
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"


async def test_status_tells_what_the_service_does_and_who_is_there(site: Any) -> None:
    async with site.client(), site.http() as http:
        status = (await http.get("/status")).json()
    assert status["worker"] == "ready"
    assert status["clients"] == 1
    assert "version" in status


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "no_such_route"),
        ("DELETE", "/status", 405, "wrong_method"),
        ("GET", "/extra?fault=theirs", 415, "bad_image"),
        ("GET", "/extra?fault=missing", 404, "not_found"),
        ("GET", "/framebridge/result/nobody", 404, "job_not_found"),
        ("GET", "/framebridge/history?offset=-1", 400, "bad_value"),
        ("GET", "/extra?fault=ours", 500, "internal_error"),
    ],
)
async def test_faults_are_told_as_code_message_and_hint(
    serve: Any, method: str, path: str, status: int, code: str
) -> None:
    async with serve(routes=[Route("/extra", extra)]) as site, site.http() as http:
        response = await http.request(method, path)
        assert response.status_code == status
        assert set(response.json()) == {"code", "message", "hint"}
        assert response.json()["code"] == code
        assert "Traceback" not in response.text
        assert (await http.get("/extra")).text == "peer"


async def test_what_a_route_says_of_a_fault_is_told(serve: Any) -> None:
    async with serve(routes=[Route("/extra", extra)]) as site, site.http() as http:
        assert (await http.get("/extra?fault=missing")).json()["message"] == "there is no such picture"
        assert "GET" in (await http.delete("/extra")).headers["allow"]
        assert (await http.get("/nowhere")).json()["message"] == "there is nothing at this path"
        assert (await http.get("/framebridge/stream/gone")).json()["message"] == "there is no picture"


async def test_token_reaches_no_log(site: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with site.client(), site.http() as http:
        await http.get("/status")
        await http.get("/status?token=the-secret-token-of-this-run")
    server_logs = [
        r.getMessage()
        for r in caplog.records
        if not r.name.startswith(("httpx", "httpcore", "websockets.client"))
    ]
    assert server_logs, "something was logged"
    assert "the-secret-token" not in "\n".join(server_logs)
