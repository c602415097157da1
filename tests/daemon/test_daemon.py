import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect as websocket_to

import bridge
from bridge.cli.bundle import write_bundle
from bridge.client import (
    Client,
    find_daemon,
    read_runtime,
    runtime_file,
    write_runtime,
)
from bridge.client.proof import ask_for_proof
from bridge.daemon import Daemon, Settings, serve
from bridge.errors import BridgeError, WorkflowError
from bridge.protocol import (
    Accepted,
    Attach,
    Finished,
    Frame,
    Hello,
    Message,
    Plane,
    Result,
    SetStream,
    State,
    StreamFrame,
    Submit,
    Welcome,
    decode,
    encode,
)

POSIX_ONLY = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and file modes")


def echo(**inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": "Echo", "inputs": {"steps": 1, "seconds": 0.0, "text": "", **inputs}}}


def view(number: int = 1, side: int = 256, value: int = 0) -> Frame:
    color = Plane("color", (side, side, 3), "u8", bytes([value]) * (side * side * 3))
    depth = Plane("depth", (side, side), "f32", bytes(side * side * 4))
    return Frame({"color": color, "depth": depth}, number=number)


def url(daemon: Any, path: str) -> str:
    return f"http://127.0.0.1:{daemon.runtime.port}{path}"


def bearer(daemon: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {daemon.runtime.token}"}


# ---- work ----------------------------------------------------------------------------------------


def test_job_goes_to_the_worker_and_its_picture_comes_back(spawn: Any) -> None:
    with spawn().client() as client:
        outcome = client.run(workflow=echo(steps=3), frame=view(value=7), timeout_s=30)
    assert outcome.finished.state == "done"
    assert bytes(outcome.images[0].data) == bytes([7]) * (256 * 256 * 3)


def test_stream_shows_what_was_pushed_last(spawn: Any) -> None:
    with spawn().client() as client, client.stream("live", workflow=echo()) as stream:
        for number in range(5):
            pushed = stream.push(view(value=number))
        result = stream.latest(20)
        while result and result.frame != pushed:
            result = stream.latest(20)
    assert result is not None
    assert bytes(result.planes[0].data[:3]) == bytes([4, 4, 4])


def test_worker_gets_the_settings(spawn: Any, home: Path, tmp_path: Path) -> None:
    daemon = spawn(models=[str(tmp_path / "comfy")], output=None, device="cpu")
    with daemon.client() as client:
        client.query("nodes")
        settings = client.query("status")["environment"]["settings"]
    roots = [tmp_path / "comfy", home / "models", home / "models.json"]  # the last names registered folders
    assert settings["models"] == [str(root) for root in roots]
    assert settings["frames"] == str(home / "frames")
    assert settings["device"] == "cpu"


def test_a_bundle_has_the_settings_of_the_daemon(spawn: Any, tmp_path: Path) -> None:
    spawn(device="cpu", history_days=7, token="0123456789abcdef" * 2).runtime  # noqa: B018 - waits
    write_bundle(tmp_path / "b.zip", [], Settings())
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        page = bundle.read("settings.json").decode()
    told = json.loads(page)
    assert told["of"] == "the daemon"
    assert (told["settings"]["device"], told["settings"]["history_days"]) == ("cpu", 7)
    assert "0123456789abcdef" not in page


def test_queries_tell_models_presets_nodes_and_status(spawn: Any) -> None:
    with spawn().client() as client:
        assert "framebridge-demo" in client.query("models")["models"]["checkpoints"]
        presets = client.query("presets")["presets"]
        assert any(preset["name"] == "stylize" and preset["controls"] for preset in presets)
        assert set(client.query("nodes")["nodes"]) == {"Echo", "Crash", "Load"}
        assert client.query("status")["worker"] in ("ready", "starting")


def test_dynamic_prompts_are_drawn_from_the_users_wildcards(spawn: Any, home: Path) -> None:
    with spawn().client() as client:
        assert client.query("wildcards") == {"folder": str(home / "wildcards"), "wildcards": []}
        (home / "wildcards").mkdir()
        (home / "wildcards" / "animal.txt").write_text("cat\n")
        assert client.query("wildcards")["wildcards"] == ["animal"]
        assert any(entry["title"] == "Photo" for entry in client.query("negatives")["negatives"])
        values = {"1.text": "a __animal__"}
        outcome = client.run(workflow=echo(), values=values, dynamic=["1.text"], timeout_s=60)
        assert outcome.texts == {"1.text": "a cat"}
        with pytest.raises(WorkflowError) as refusal:
            client.run(workflow=echo(), values={"1.text": "a __anmal__"}, dynamic=["1.text"], timeout_s=60)
        assert (refusal.value.code, refusal.value.hint) == ("unknown_wildcard", "Did you mean __animal__?")


def test_files_that_a_workflow_names_are_looked_up(spawn: Any, home: Path) -> None:
    with spawn().client() as client:
        (home / "input" / "new.png").write_bytes(b"x")
        (home / "output" / "old.png").write_bytes(b"x")
        for image in ("new.png", "old.png [output]"):
            inputs = {"image": image, "checkpoint": "framebridge-demo"}
            client.run(workflow={"1": {"class_type": "Load", "inputs": inputs}}, timeout_s=30)
        inputs = {"image": "../daemon.json", "checkpoint": "framebridge-dem"}
        with pytest.raises(WorkflowError) as refusal:
            client.run(workflow={"1": {"class_type": "Load", "inputs": inputs}}, timeout_s=30)
    problems = {problem.code: problem for problem in refusal.value.problems}
    assert set(problems) == {"not_in_list", "model_not_found"}
    assert "framebridge-demo" in problems["model_not_found"].hint


def test_worker_that_crashes_fails_its_job_and_nothing_else(spawn: Any) -> None:
    with spawn().client() as client:
        with pytest.raises(BridgeError) as failure:
            client.run(workflow={"1": {"class_type": "Crash", "inputs": {}}}, timeout_s=60)
        assert failure.value.code == "worker_crashed"
        assert client.run(workflow=echo(), timeout_s=60).finished.state == "done"


# ---- flood, and coming back ----------------------------------------------------------------------


async def test_flood_of_frames_keeps_memory_flat_and_shows_the_last(spawn: Any) -> None:
    daemon = spawn()
    process = psutil.Process(daemon.pid)
    async with websocket_to(
        daemon.runtime.url, additional_headers=bearer(daemon), compression=None, max_size=None, proxy=None
    ) as websocket:
        await websocket.send(encode(Hello((1,), "flood")))
        await websocket.send(encode(SetStream("1", "live", workflow=echo(seconds=0.05))))
        messages = _messages(websocket)
        await _next(messages, Accepted)
        await websocket.send(encode(StreamFrame("live", view(0))))
        await _next(messages, Finished)
        reader = asyncio.create_task(_until_frame(messages, 1000))
        before = process.memory_info().rss
        peak = before
        for number in range(1, 1001):
            await websocket.send(encode(StreamFrame("live", view(number))))
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.002)
        seen = await asyncio.wait_for(reader, 30)
    results = [message for message in seen if isinstance(message, Result)]
    assert results[-1].frame == 1000
    assert len(results) < 300
    dropped = sum(message.dropped for message in seen if isinstance(message, Finished))
    assert dropped == 1000 - len(results)
    assert peak - before < 32 * 2**20  # 1000 frames are 450 MB


async def test_session_that_comes_back_gets_what_it_missed(spawn: Any, until: Any) -> None:
    daemon = spawn()
    options: dict[str, Any] = {"additional_headers": bearer(daemon), "compression": None, "proxy": None}
    async with websocket_to(daemon.runtime.url, **options) as websocket:
        await websocket.send(encode(Hello((1,), "test")))
        messages = _messages(websocket)
        session = (await _next(messages, Welcome)).session
        await websocket.send(encode(Submit("1", workflow=echo(steps=5, seconds=0.05))))
        job = (await _next(messages, Accepted)).job
    async with httpx.AsyncClient(headers=bearer(daemon), trust_env=False) as http:
        while (await http.get(url(daemon, "/status"))).json()["queue_remaining"]:
            await asyncio.sleep(0.02)
    async with websocket_to(daemon.runtime.url, **options) as websocket:
        await websocket.send(encode(Hello((1,), "test", session=session)))
        messages = _messages(websocket)
        assert (await _next(messages, Welcome)).session == session
        assert (await _next(messages, Result)).job == job
        assert (await _next(messages, Finished)).job == job
        await websocket.send(encode(Attach("2", job)))
        assert (await _next(messages, Result)).job == job
    async with websocket_to(daemon.runtime.url, **options) as websocket:
        await websocket.send(encode(Hello((1,), "somebody else")))
        messages = _messages(websocket)
        await websocket.send(encode(Attach("3", job)))
        while (message := await anext(messages)).type not in ("error", "result"):
            pass
        assert message.type == "error"


async def _messages(websocket: Any) -> Any:
    async for data in websocket:
        yield decode(data)


async def _next(messages: Any, kind: type[Message]) -> Any:
    async with asyncio.timeout(30):
        async for message in messages:
            if isinstance(message, kind):
                return message
    raise AssertionError(f"no {kind.__name__} came")


async def _until_frame(messages: Any, number: int) -> list[Message]:
    seen = []
    async for message in messages:
        seen.append(message)
        if isinstance(message, Finished) and message.frame == number:
            break
    return seen


# ---- one daemon a user ---------------------------------------------------------------------------


def test_second_daemon_leaves_and_says_where_the_first_is(spawn: Any) -> None:
    first = spawn()
    runtime = first.runtime
    second = spawn()
    assert second.wait() == 3
    problem = json.loads(second.output())
    assert problem["code"] == "already_running"
    assert f"port {runtime.port}, process {first.pid}" in problem["message"]
    assert read_runtime() == runtime
    assert first.process.poll() is None


@POSIX_ONLY
def test_killed_daemon_is_no_obstacle_for_the_next(spawn: Any) -> None:
    first = spawn()
    old = first.runtime
    first.process.kill()
    first.wait()
    assert read_runtime() == old, "nobody could remove the file"
    second = spawn()
    assert second.runtime.token != old.token
    with second.client() as client:
        assert client.run(workflow=echo(), timeout_s=30).finished.state == "done"


def test_port_in_use_is_said_with_the_way_out(spawn: Any) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        daemon = spawn(port=holder.getsockname()[1])
        assert daemon.wait() == 3
    problem = json.loads(daemon.output())
    assert problem["code"] == "port_in_use"
    assert "--port 0" in problem["hint"]
    assert not runtime_file().exists()


def test_open_address_is_refused(spawn: Any) -> None:
    daemon = spawn(host="0.0.0.0")
    assert daemon.wait() == 3
    assert json.loads(daemon.output())["code"] == "unsafe_host"


def test_daemon_outlives_whoever_started_it(home: Path, command: Any, monkeypatch: Any) -> None:
    paths = [str(Path(bridge.__file__).parents[1]), str(Path(__file__).parent)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    starter = f"from bridge.client import start_daemon; start_daemon({command()!r}, 30)"
    subprocess.run([sys.executable, "-c", starter], check=True, timeout=60)
    runtime = find_daemon()
    assert runtime is not None
    with Client() as client:
        client.wait_ready(20)
        assert client.query("status")
    httpx.post(
        f"http://127.0.0.1:{runtime.port}/stop",
        headers={"Authorization": f"Bearer {runtime.token}"},
        trust_env=False,
    )
    psutil.wait_procs([psutil.Process(runtime.pid)], timeout=60) if psutil.pid_exists(runtime.pid) else None
    assert find_daemon() is None


# ---- leaving -------------------------------------------------------------------------------------


@POSIX_ONLY
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_it_cleanly(spawn: Any, number: signal.Signals) -> None:
    daemon = spawn()
    assert daemon.runtime.pid == daemon.pid
    workers = _children(daemon.pid)
    began = time.monotonic()
    daemon.process.send_signal(number)
    assert daemon.wait() == 0
    assert time.monotonic() - began < 6
    assert not runtime_file().exists()
    assert psutil.wait_procs(workers, timeout=60)[1] == []


@POSIX_ONLY
def test_signal_during_work_ends_it_in_time(spawn: Any, until: Any) -> None:
    daemon = spawn()
    with daemon.client() as client:
        client.wait_ready(20)
        threading.Thread(target=_run_and_ignore, args=(client, echo(steps=1000, seconds=0.05))).start()
        until(lambda: client.query("status")["queue_remaining"] == 1)
        began = time.monotonic()
        daemon.process.terminate()
        assert daemon.wait() == 0
        assert time.monotonic() - began < 7


def _run_and_ignore(client: Client, workflow: dict[str, Any]) -> None:
    with contextlib.suppress(BridgeError):
        client.run(workflow=workflow)


def test_stop_over_http_ends_it_cleanly(spawn: Any) -> None:
    daemon = spawn()
    assert httpx.post(url(daemon, "/stop"), headers=bearer(daemon), trust_env=False).status_code == 202
    assert daemon.wait() == 0
    assert not runtime_file().exists()


def test_it_leaves_when_nobody_has_wanted_anything(spawn: Any) -> None:
    daemon = spawn(idle_timeout_s=0.6)
    assert daemon.wait() == 0
    assert not runtime_file().exists()
    _, announced, last = daemon.output().splitlines()
    assert announced == "after 0.01 min without a client or a job it leaves; --idle-minutes 0 stays"
    assert last == "nobody has wanted anything for 0.01 min; leaving"


def test_it_announces_no_idle_time_where_there_is_none(home: Path) -> None:
    assert len(list(Daemon(Settings(idle_timeout_s=0)).greeting())) == 1


def test_it_stays_while_a_client_is_there(spawn: Any) -> None:
    daemon = spawn(idle_timeout_s=1.0)
    with daemon.client() as client:
        client.wait_ready(20)
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.wait(2.5)
    assert daemon.wait() == 0


def test_it_stays_while_there_is_work(spawn: Any) -> None:
    daemon = spawn(idle_timeout_s=1.0)
    with daemon.client() as client:
        client.wait_ready(20)
        client.query("nodes")
        client.send(Submit("1", workflow=echo(steps=60, seconds=0.05)))
        deadline = time.monotonic() + 60
        while not any(isinstance(message, Accepted) for message in client.pump()):
            assert time.monotonic() < deadline
    left = time.monotonic()
    assert daemon.wait() == 0
    assert time.monotonic() - left > 2.5


def test_only_its_own_runtime_file_is_removed(spawn: Any) -> None:
    daemon = spawn()
    foreign = replace(daemon.runtime, pid=os.getpid())
    write_runtime(foreign)
    daemon.process.terminate()
    daemon.wait()
    assert read_runtime() == foreign


# ---- secrets, files, weight ----------------------------------------------------------------------


def test_neither_tokens_nor_prompts_reach_the_disk_or_the_terminal(spawn: Any, home: Path) -> None:
    daemon = spawn()
    token = daemon.runtime.token
    with daemon.client() as client:
        client.run(workflow=echo(text="a prompt nobody should read"), timeout_s=30)
        with pytest.raises(WorkflowError):
            client.run(workflow=echo(text="a prompt nobody should read", steps="many"), timeout_s=30)
    httpx.get(url(daemon, f"/status?token={token}"), headers=bearer(daemon), trust_env=False)
    httpx.get(url(daemon, "/status"), headers={"Authorization": f"Bearer {token}x"}, trust_env=False)
    daemon.process.terminate()
    written = daemon.output()
    log = (home / "daemon.log").read_text()
    assert "listens on port" in log
    queue = ""
    for path in home.rglob("*"):
        if path.is_file() and path.parent.name == "jobs":
            assert path.stat().st_mode & 0o077 == 0, "the queue is nobody else's business"
            queue += path.read_text(errors="replace")
        elif path.is_file():
            written += path.read_text(errors="replace")
    assert token not in written + queue
    assert "nobody should read" not in written
    assert "nobody should read" in queue, "a job must be known to run it again"


@POSIX_ONLY
def test_runtime_file_is_for_its_user_only(spawn: Any, home: Path) -> None:
    assert spawn().runtime.port > 0
    assert runtime_file().stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_temporary_pictures_that_no_job_shows_are_gone(spawn: Any, home: Path, until: Any) -> None:
    for folder in ("temp", "output", "input"):
        (home / folder).mkdir(parents=True)
        (home / folder / "old.png").write_bytes(b"x")
    assert spawn().runtime.port > 0
    until(lambda: not (home / "temp" / "old.png").exists())
    assert (home / "output" / "old.png").exists()
    assert (home / "input" / "old.png").exists()


def test_importing_the_daemon_brings_nothing_heavy() -> None:
    names = ["torch", "diffusers", "transformers", "numpy", "cv2", "PIL", "scipy", "bpy", "pydantic"]
    code = f"import sys, bridge.daemon, bridge.server; print([n for n in {names} if n in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert found.stdout.strip() == "[]", found.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells what is mapped")
def test_running_daemon_has_nothing_heavy_mapped(spawn: Any) -> None:
    daemon = spawn()
    with daemon.client() as client:
        client.run(workflow=echo(), frame=view(), timeout_s=30)
        client.query("models")
        client.query("presets")
        mapped = Path(f"/proc/{daemon.pid}/maps").read_text()
    assert not any(name in mapped for name in ("torch", "numpy", "cv2", "PIL"))


# ---- in this process -----------------------------------------------------------------------------


async def test_daemon_can_live_in_a_test(home: Path) -> None:
    async with Daemon(Settings(port=0, bootstrap="nowhere:load")) as daemon:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{daemon.port}", trust_env=False) as http:
            assert (await http.get("/health")).json() == {"status": "ok"}
            headers = {"Authorization": f"Bearer {daemon.token}"}
            assert (await http.post("/stop", headers=headers)).status_code == 202
        await asyncio.wait_for(daemon.until_stopped(), 5)
        assert runtime_file().exists()
    assert not runtime_file().exists()


async def test_failed_start_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: Any) -> None:
        raise BridgeError("no", code="worker_failed")

    monkeypatch.setattr("bridge.jobs.JobService.start", fail)
    daemon = Daemon(Settings(port=0))
    with pytest.raises(BridgeError):
        async with daemon:
            pass
    assert not runtime_file().exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", daemon.port)) != 0
    monkeypatch.undo()


async def test_ipv6_loopback_is_named_in_the_address(home: Path) -> None:
    async with Daemon(Settings(host="::1", port=0, bootstrap="nowhere:load")) as daemon:
        runtime = read_runtime()
        assert runtime is not None
        assert runtime.url == f"ws://[::1]:{daemon.port}/bridge"
        assert await ask_for_proof(runtime.url, runtime.token) == 200


@POSIX_ONLY
async def test_signal_stops_a_daemon_and_is_handed_back_afterwards(home: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    daemon = Daemon(Settings(port=0, bootstrap="nowhere:load"))
    with daemon.heeding_signals():
        async with daemon:
            signal.raise_signal(signal.SIGTERM)
            await asyncio.wait_for(daemon.until_stopped(), 5)
    assert signal.getsignal(signal.SIGTERM) == before


def test_serving_ends_when_nobody_comes(home: Path) -> None:
    serve(Settings(port=0, bootstrap="nowhere:load", idle_timeout_s=0.2))
    assert not runtime_file().exists()
    assert "nobody has wanted anything" in (home / "daemon.log").read_text()


async def test_models_and_presets_are_told(home: Path) -> None:
    async with Daemon(Settings(port=0, bootstrap="nowhere:load")):
        with Client() as client:
            models = await asyncio.to_thread(client.query, "models")
            presets = await asyncio.to_thread(client.query, "presets")
    assert "framebridge-demo-depth" in models["models"]["controlnet"]
    stylize = presets["presets"][0]
    assert stylize["name"] == "stylize"
    assert {"title", "description", "digest", "controls", "units", "titles"} <= set(stylize)


async def test_work_under_way_gets_a_moment_and_no_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.jobs.JobService.state", State("busy", queue_remaining=1))
    async with Daemon(Settings(port=0, bootstrap="nowhere:load", idle_timeout_s=0.1)) as daemon:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(daemon.until_stopped(), 0.5)
        began = time.monotonic()
    assert 0.5 <= time.monotonic() - began < 5


async def test_it_stays_while_work_comes_and_goes_between_two_looks(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.jobs.JobService.idle_s", 0.05)
    async with Daemon(Settings(port=0, bootstrap="nowhere:load", idle_timeout_s=0.1)) as daemon:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(daemon.until_stopped(), 0.5)


async def test_runtime_file_that_cannot_be_written_is_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(runtime: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bridge.daemon.daemon.write_runtime", fail)
    with pytest.raises(BridgeError, match="No space left") as failure:
        async with Daemon(Settings(port=0, bootstrap="nowhere:load")):
            pass
    assert failure.value.code == "bad_folder"


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)
