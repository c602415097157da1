import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from bridge.errors import BridgeError
from bridge.server import Access, Outside, WebServer, bind_outside, checked_outside, create_app, read_token

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate of our own, its key, and a token that only we can read."""
    folder = tmp_path_factory.mktemp("tls")
    made = {name: folder / name for name in ("certificate", "key", "token")}
    words = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=render"
    )
    names = ["-addext", "subjectAltName=DNS:render.studio,IP:127.0.0.1"]
    places = ["-out", str(made["certificate"]), "-keyout", str(made["key"])]
    subprocess.run([*words.split(), *names, *places], check=True, capture_output=True)
    made["token"].write_text(f"{TOKEN}\n")
    made["token"].chmod(0o600)
    return made


def wanted(files: dict[str, Path], host: str = "192.0.2.1", *names: str, **changes: Any) -> Outside:
    given = {**files, **changes}
    return checked_outside(host, 0, given["certificate"], given["key"], given["token"], names)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "127.0.0.1"])
@pytest.mark.parametrize("missing", ["certificate", "key", "token"])
def test_nothing_listens_without_a_certificate_its_key_and_a_token(
    files: dict[str, Path], host: str, missing: str
) -> None:
    with pytest.raises(BridgeError, match="refusing to listen") as caught:
        wanted(files, host, "render.studio", **{missing: None})
    assert caught.value.code == "unsafe_host"
    assert "--tls-cert" in caught.value.hint


def test_all_addresses_need_a_name(files: dict[str, Path]) -> None:
    with pytest.raises(BridgeError, match="without a name"):
        wanted(files, "0.0.0.0")
    assert wanted(files, "0.0.0.0", "Render.Studio").address(8190).hosts == {b"render.studio:8190"}
    assert wanted(files, "2001:db8::1").address(443).hosts == {b"[2001:db8::1]", b"[2001:db8::1]:443"}


@pytest.mark.parametrize("bad", ["missing", "text", "swapped"])
def test_certificate_that_is_none_is_named(files: dict[str, Path], tmp_path: Path, bad: str) -> None:
    path = files["key"] if bad == "swapped" else tmp_path / bad
    if bad == "text":
        path.write_text("no certificate")
    with pytest.raises(BridgeError) as caught:
        wanted(files, certificate=path)
    assert caught.value.code == "bad_certificate"


def test_token_is_read_from_its_file(files: dict[str, Path]) -> None:
    assert read_token(files["token"]) == TOKEN


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 31, "x" * 600, "two words that are long enough, are they", "ü" * 40]
)
def test_token_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(BridgeError) as caught:
        read_token(path)
    assert caught.value.code == "bad_token_file"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(mode)
    with pytest.raises(BridgeError, match="other users") as caught:
        read_token(path)
    assert caught.value.code == "bad_token_file"
    assert TOKEN not in str(caught.value)


def test_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BridgeError, match="cannot be read"):
        read_token(tmp_path / "nowhere")


def test_address_of_another_machine_is_not_ours_to_listen_at(files: dict[str, Path]) -> None:
    with pytest.raises(BridgeError) as caught:
        bind_outside(wanted(files, "192.0.2.1"))
    assert caught.value.code == "port_refused"


@pytest.fixture
async def door(files: dict[str, Path], service: Any) -> Any:
    """A server that speaks TLS, at loopback, and says that it is render.studio."""
    where = wanted(files, "127.0.0.1", "127.0.0.1", "render.studio")
    with bind_outside(where) as listener:
        port = listener.getsockname()[1]
        access = Access(TOKEN, 1, where.address(port), is_compatible_open=True)
        compatible = [Route("/queue", PlainTextResponse("queue"))]
        app = create_app(service, access, compatible=compatible)
        async with WebServer(app, grace_s=1, certificate=(where.certificate, where.key)).serving(listener):
            yield port


@pytest.fixture
def client(files: dict[str, Path], door: int) -> Iterator[httpx.AsyncClient]:
    trusting = ssl.create_default_context(cafile=str(files["certificate"]))
    return httpx.AsyncClient(base_url=f"https://127.0.0.1:{door}", verify=trusting, trust_env=False)


async def test_other_machines_need_the_token_for_everything(client: httpx.AsyncClient, door: int) -> None:
    async with client as http:
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert (await http.get("/status")).status_code == 401
        assert (await http.get("/queue")).status_code == 401, "it is open for this machine only"
        assert (await http.get("/status", headers=right)).status_code == 200
        assert (await http.get(f"/queue?token={TOKEN}")).text == "queue"
        named = {**right, "Host": f"render.studio:{door}"}
        assert (await http.get("/status", headers=named)).status_code == 200
        assert (
            await http.get("/status", headers={**right, "Host": f"evil.example:{door}"})
        ).status_code == 403
        assert (await http.get("/status", headers={**right, "Host": "127.0.0.1:1"})).status_code == 403


async def test_cookie_of_an_encrypted_page_is_never_sent_in_the_open(client: httpx.AsyncClient) -> None:
    async with client as http:
        key = await http.post("/framebridge/key", headers={"Authorization": f"Bearer {TOKEN}"})
        entered = await http.get(key.json()["path"])
        assert "Secure" in entered.headers["set-cookie"]
        assert (await http.get("/")).status_code == 200


async def test_plain_http_gets_no_answer(door: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door)
    writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{door}\r\n\r\n".encode())
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 10)
    assert b"HTTP" not in answer
    writer.close()


async def test_old_versions_of_tls_are_refused(files: dict[str, Path], door: int) -> None:
    old = ssl.create_default_context(cafile=str(files["certificate"]))
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await asyncio.open_connection("127.0.0.1", door, ssl=old)
