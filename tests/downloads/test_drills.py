"""Servers that misbehave: no file that is not whole ever gets a model's name, and nothing else is touched."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.downloads import Choices, Paused, Progress, cancelled, credentials
from bridge.errors import BridgeError, Interrupted

from .conftest import (
    Answer,
    Kit,
    Request,
    Response,
    Site,
    always,
    cut,
    gzipped,
    in_turn,
    leads_to,
    lora,
    sha256,
    whole,
)

DATA = lora()
OTHER = lora(seed=1)
URL = "https://files.example/style.safetensors"
TARGET = "loras/style.safetensors"
RECORD = "loras/style.framebridge.json"
PARTIAL = "loras/style.safetensors.partial"


def fetch(kit: Kit, url: str = URL, choices: Choices | None = None) -> Path:
    plan = kit.planner.plan(url, choices)
    return kit.puller().pull(plan)


@pytest.fixture(autouse=True)
def nothing_else_is_touched(kit: Kit, tmp_path: Path) -> Iterator[None]:
    """Whatever happens: no file but whole ones has a model's name, and nothing lies outside the folder."""
    (tmp_path / "precious.txt").write_text("mine")
    (kit.root / "loras").mkdir()
    (kit.root / "loras" / "mine.safetensors").write_bytes(OTHER)
    yield
    allowed = {"precious.txt", "models", "home"}
    assert {path.name for path in tmp_path.iterdir()} <= allowed
    assert (tmp_path / "precious.txt").read_text() == "mine"
    assert (kit.root / "loras" / "mine.safetensors").read_bytes() == OTHER
    for model in kit.root.rglob("*.safetensors"):
        assert model.read_bytes() in (DATA, OTHER), f"{model} is corrupt"
    inside_home = {path.relative_to(tmp_path / "home").parts[0] for path in (tmp_path / "home").rglob("*")}
    assert inside_home <= {"pulls", "framebridge"}, "locks and caches alone"


def no_length(data: bytes) -> Answer:
    return lambda request: Response("200 OK", {"Connection": "close"}, data)


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> Answer:
    body = b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + end
    return lambda request: Response("200 OK", {"Transfer-Encoding": "chunked"}, body)


def ignoring_ranges(data: bytes) -> Answer:
    return lambda request: Response("200 OK", {"Content-Length": len(data)}, data)


def dripping(request: Request) -> Response:
    response = whole(DATA)(request)
    response.chunk, response.drip_s = 40, 0.02
    return response


def one_version_after_another(request: Request) -> Response:
    """The plan and the first bytes are of one version; then there is another of the same header."""
    if request.number < 2:
        return cut(whole(DATA, tag='"v1"'), 200_000)(request) if request.number else whole(DATA)(request)
    changed = DATA[:1000] + bytes(len(DATA) - 1000)
    return whole(changed, tag='"v2"')(request)


MENDED: dict[str, Callable[[], Answer]] = {
    "all is well": lambda: whole(DATA),
    "cut within the header": lambda: in_turn(whole(DATA), cut(whole(DATA), 100), whole(DATA)),
    "cut at the first byte": lambda: in_turn(whole(DATA), cut(whole(DATA), 0), whole(DATA)),
    "cut in the middle": lambda: in_turn(whole(DATA), cut(whole(DATA), 300_000), whole(DATA)),
    "cut again and again": lambda: in_turn(
        whole(DATA), *[cut(whole(DATA), 100_000) for _ in range(4)], whole(DATA)
    ),
    "cut one byte before its end": lambda: in_turn(whole(DATA), cut(whole(DATA), len(DATA) - 1), whole(DATA)),
    "no length is said": lambda: no_length(DATA),
    "no length, and cut": lambda: in_turn(no_length(DATA), no_length(DATA[:200_000]), no_length(DATA)),
    "ranges are ignored": lambda: ignoring_ranges(DATA),
    "ranges are ignored, and cut": lambda: in_turn(
        ignoring_ranges(DATA), cut(ignoring_ranges(DATA), 200_000), ignoring_ranges(DATA)
    ),
    "chunks": lambda: chunked(DATA[:5000], DATA[5000:]),
    "chunks that end early": lambda: in_turn(
        chunked(DATA), chunked(DATA[:200_000], end=b""), chunked(DATA[:5000], DATA[5000:])
    ),
    "garbage between chunks": lambda: in_turn(
        chunked(DATA), chunked(DATA[:200_000], end=b"what is this\r\n"), whole(DATA)
    ),
    "another part than was asked for": lambda: in_turn(
        whole(DATA),
        cut(whole(DATA), 200_000),
        lambda request: whole(DATA)(Request("", "", {"range": "bytes=7-"}, 0)),
        whole(DATA),
    ),
    "error 500 on the way": lambda: in_turn(
        whole(DATA), cut(whole(DATA), 200_000), always("500 Internal Server Error"), whole(DATA)
    ),
    "busy, come again": lambda: in_turn(
        whole(DATA), always("429 Too Many Requests", Retry_After="3"), whole(DATA)
    ),
    "no sense at all": lambda: in_turn(
        whole(DATA), lambda request: Response("what?", {}, b"\0\xff" * 50), whole(DATA)
    ),
    "range refused once": lambda: in_turn(
        whole(DATA), cut(whole(DATA), 200_000), always("416 Range Not Satisfiable"), whole(DATA)
    ),
    "silence": lambda: in_turn(whole(DATA), lambda request: time.sleep(1.3) or Response(), whole(DATA)),
}
"""Faults that end well."""


@pytest.mark.parametrize("name", MENDED)
def test_what_can_be_mended_is(name: str, kit: Kit, site: Site) -> None:
    site.put(URL, MENDED[name]())
    assert fetch(kit).read_bytes() == DATA
    assert kit.files() == {TARGET, RECORD, "loras/mine.safetensors"}


PICKLE = b"\x80\x02}q\x00." + bytes(600)
ARCHIVE = b"PK\x03\x04" + bytes(600)

REFUSED: dict[str, tuple[Callable[[], Answer], str]] = {
    "a web page": (lambda: always(body=b"<!DOCTYPE html><html>log in</html>" * 40), "not_a_model"),
    "a pickle": (lambda: always(body=PICKLE), "unsafe_model"),
    "a zip of torch": (lambda: always(body=ARCHIVE), "unsafe_model"),
    "a GGUF file": (lambda: always(body=b"GGUF" + bytes(600)), "model_unsupported"),
    "a git-lfs pointer": (
        lambda: always(body=b"version https://git-lfs.github.com/spec/v1\n"),
        "not_a_model",
    ),
    "JSON of an error": (lambda: always(body=b'{"error": "no"}' * 90), "not_a_model"),
    "nothing": (lambda: always(), "not_a_model"),
    "a header without end": (
        lambda: no_length((90_000_000).to_bytes(8, "little") + b"{" * 600),
        "not_a_model",
    ),
    "a file cut at its source": (lambda: whole(DATA[:-1]), "size_differs"),
    "a file with something behind it": (lambda: whole(DATA + b"!"), "not_a_model"),
    "404": (lambda: always("404 Not Found"), "source_not_found"),
    "401": (lambda: always("401 Unauthorized"), "source_forbidden"),
    "403": (lambda: always("403 Forbidden"), "source_forbidden"),
    "418": (lambda: always("418 I'm a teapot"), "source_failed"),
    "429 for an hour": (lambda: always("429 Too Many Requests", Retry_After="3600"), "source_busy"),
    "500": (lambda: always("500 Internal Server Error"), "source_busy"),
    "gzip": (lambda: gzipped(DATA), "bad_answer"),
    "gzip bomb": (lambda: gzipped(bytes(50_000_000)), "bad_answer"),
    "redirect without end": (lambda: leads_to(URL), "too_many_redirects"),
    "redirect to http": (lambda: leads_to("http://files.example/style.safetensors"), "not_https"),
    "redirect to a file of ours": (lambda: leads_to("file:///etc/passwd"), "bad_source"),
    "redirect to nowhere": (lambda: always("302 Found"), "bad_answer"),
    "redirect to a private network": (lambda: leads_to("https://router.example/x"), "private_address"),
    "redirect to this machine": (lambda: leads_to("https://me.example/x"), "private_address"),
    "redirect to a cloud's secrets": (lambda: leads_to("https://cloud.example/x"), "private_address"),
    "redirect behind a carrier": (lambda: leads_to("https://carrier.example/x"), "private_address"),
    "redirect to a private IPv6": (lambda: leads_to("https://six.example/x"), "private_address"),
    "redirect to a number": (lambda: leads_to("https://127.0.0.1/x"), "private_address"),
    "redirect to ::1": (lambda: leads_to("https://[::1]/x"), "private_address"),
    "part of nothing": (lambda: always("206 Partial Content", body=DATA), "bad_answer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_leaves_nothing(name: str, kit: Kit, site: Site) -> None:
    answer, code = REFUSED[name]
    site.put(URL, answer())
    with pytest.raises(BridgeError) as failure:
        fetch(kit)
    assert failure.value.code == code, failure.value
    assert failure.value.hint
    assert kit.files() == {"loras/mine.safetensors"}


CHANGED: dict[str, tuple[Callable[[], Answer], str]] = {
    "longer": (lambda: in_turn(whole(DATA), whole(DATA + b"!")), "size_differs"),
    "shorter": (lambda: in_turn(whole(DATA), whole(DATA[:-9])), "size_differs"),
    "longer than it says": (lambda: in_turn(whole(DATA), no_length(DATA + b"!")), "size_differs"),
    "of another header": (
        lambda: in_turn(
            whole(DATA),
            whole(DATA.replace(b"lora_up", b"lora_UP", 1)),
        ),
        "source_changed",
    ),
    "a web page": (lambda: in_turn(whole(DATA), always(body=b"<html>" * 10)), "size_differs"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_what_has_changed_since_the_plan_is_not_kept(name: str, kit: Kit, site: Site) -> None:
    answer, code = CHANGED[name]
    site.put(URL, answer())
    with pytest.raises(BridgeError) as failure:
        fetch(kit)
    assert failure.value.code == code, failure.value
    assert kit.files() == {"loras/mine.safetensors"}


def test_checksum_that_differs_is_told_and_nothing_kept(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    with pytest.raises(BridgeError, match="checksum") as failure:
        fetch(kit, choices=Choices(sha256=sha256(OTHER)))
    assert failure.value.code == "checksum_differs"
    assert "another place" in failure.value.hint
    assert kit.files() == {"loras/mine.safetensors"}


def test_a_version_that_changes_in_the_middle_never_ends_as_a_mixture(kit: Kit, site: Site) -> None:
    site.put(URL, one_version_after_another)
    with pytest.raises(BridgeError) as failure:
        fetch(kit, choices=Choices(sha256=sha256(DATA)))
    assert failure.value.code == "checksum_differs"
    assert kit.files() == {"loras/mine.safetensors"}
    ranges = [each.start for each in site.requests]
    assert ranges[2] > 0, "it went on"
    assert site.requests[2].headers["if-range"] == '"v1"'


def test_a_server_that_says_nothing_of_versions_begins_again(kit: Kit, site: Site) -> None:
    untagged = whole(DATA, tag="")
    site.put(URL, in_turn(untagged, cut(untagged, 300_000), untagged))
    assert fetch(kit).read_bytes() == DATA
    assert [each.start for each in site.requests][-1] == 0, "nobody can tell whether the rest would fit"


def test_a_pull_that_was_given_up_goes_on_the_next_time(kit: Kit, site: Site) -> None:
    shortened = (cut(whole(DATA), 150_000), always("503 Service Unavailable"))
    site.put(URL, in_turn(whole(DATA), *shortened, *(shortened[1] for _ in range(5))))
    with pytest.raises(BridgeError) as failure:
        fetch(kit)
    assert failure.value.code == "source_busy"
    assert PARTIAL in kit.files()
    site.put(URL, whole(DATA))
    site.requests.clear()
    assert fetch(kit).read_bytes() == DATA
    assert site.requests[-1].start > 100_000
    assert kit.files() == {TARGET, RECORD, "loras/mine.safetensors"}


def test_a_server_that_drips_is_left(kit: Kit, site: Site) -> None:
    site.put(URL, in_turn(whole(DATA), dripping))
    with pytest.raises(BridgeError) as failure:
        fetch(kit)
    assert failure.value.code == "too_slow"
    assert TARGET not in kit.files()


def test_it_waits_as_long_as_a_busy_server_asks(kit: Kit, site: Site) -> None:
    site.put(URL, in_turn(whole(DATA), always("429 Too Many Requests", Retry_After="3"), whole(DATA)))
    fetch(kit)
    assert sum(kit.sleeps) == 3.0


def test_a_pull_that_waits_for_a_busy_server_is_cancelled_at_once(kit: Kit, site: Site) -> None:
    site.put(URL, in_turn(whole(DATA), always("429 Too Many Requests", Retry_After="30")))
    plan = kit.planner.plan(URL)

    def stop(progress: Progress) -> None:
        if kit.sleeps:
            raise cancelled(plan)

    with pytest.raises(Interrupted):
        kit.puller().pull(plan, stop)
    assert sum(kit.sleeps) < 1.0
    assert kit.files() == {"loras/mine.safetensors"}


def test_a_file_larger_than_the_disk_is_not_begun(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    kit.free = len(DATA)
    with pytest.raises(BridgeError, match="free") as failure:
        fetch(kit)
    assert failure.value.code == "disk_full"
    assert "--into" in failure.value.hint
    assert kit.files() == {"loras/mine.safetensors"}


def test_a_disk_that_fills_up_stops_a_pull_that_goes_on_later(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL)
    kit.free = 1000
    with pytest.raises(BridgeError) as failure:
        kit.puller().pull(plan)
    assert failure.value.code == "disk_full"
    kit.free = 10**12
    assert kit.puller().pull(plan).read_bytes() == DATA


def test_a_folder_that_cannot_be_written_is_named(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL, Choices(name="other"))
    plan = replace(plan, target=kit.root / "loras" / "mine.safetensors" / "other.safetensors")
    with pytest.raises(BridgeError, match="mine") as failure:
        kit.puller().pull(plan)
    assert failure.value.code == "bad_folder"
    assert "--into" in failure.value.hint


def test_a_file_that_is_there_is_never_replaced(kit: Kit, site: Site) -> None:
    site.put("https://files.example/mine.safetensors", whole(DATA))
    with pytest.raises(BridgeError) as failure:
        fetch(kit, "https://files.example/mine.safetensors")
    assert failure.value.code == "file_exists"
    assert kit.files() == {"loras/mine.safetensors"}


def test_a_file_that_appears_while_pulling_is_not_replaced(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL)

    def appear(progress: Progress) -> None:
        plan.target.write_bytes(OTHER)

    with pytest.raises(BridgeError) as failure:
        kit.puller().pull(plan, appear)
    assert failure.value.code == "file_exists"
    assert plan.target.read_bytes() == OTHER
    assert kit.files() == {TARGET, "loras/mine.safetensors"}


@pytest.mark.skipif(sys.platform == "win32", reason="no hard link is made there")
def test_a_disk_without_links_takes_models_too(kit: Kit, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError("links are not known here")

    monkeypatch.setattr(os, "link", refuse)
    site.put(URL, whole(DATA))
    assert fetch(kit).read_bytes() == DATA
    assert kit.files() == {TARGET, RECORD, "loras/mine.safetensors"}


def test_a_link_in_the_place_of_the_file_is_not_followed(kit: Kit, site: Site, tmp_path: Path) -> None:
    site.put(URL, whole(DATA))
    (kit.root / PARTIAL).symlink_to(tmp_path / "precious.txt")
    with pytest.raises(BridgeError) as failure:
        fetch(kit)
    assert failure.value.code == "bad_folder"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('attachment; filename="../../../precious.txt"', "loras/precious.txt.safetensors"),
        ('attachment; filename="..\\\\..\\\\evil.safetensors"', "loras/evil.safetensors"),
        ('attachment; filename="/etc/passwd"', "loras/passwd.safetensors"),
        ('attachment; filename=".."', "loras/model.safetensors"),
        ('attachment; filename="con.safetensors"', "loras/model_con.safetensors"),
        ('attachment; filename="a:b*c?.safetensors"', "loras/a_b_c_.safetensors"),
        ('attachment; filename="' + "x" * 3000 + '.safetensors"', f"loras/{'x' * 150}.safetensors"),
    ],
)
def test_names_of_strangers_lead_nowhere(said: str, expected: str, kit: Kit, site: Site) -> None:
    site.put("https://files.example/get", whole(DATA, **{"Content-Disposition": said}))
    fetch(kit, "https://files.example/get")
    assert expected in kit.files()


def test_a_header_with_a_line_break_is_no_way_to_add_another(kit: Kit, site: Site) -> None:
    with pytest.raises(BridgeError) as failure:
        fetch(kit, f"{URL}\r\nX-Evil: 1")
    assert failure.value.code == "bad_source"
    assert site.requests == []


def test_two_pulls_of_one_file_do_not_meet(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL)
    holds, may_go = threading.Event(), threading.Event()
    done: list[Path] = []

    def wait(progress: Progress) -> None:
        holds.set()
        may_go.wait(10)

    first = threading.Thread(target=lambda: done.append(kit.puller().pull(plan, wait)))
    first.start()
    assert holds.wait(10)
    with pytest.raises(BridgeError) as failure:
        kit.puller().pull(plan)
    may_go.set()
    first.join()
    assert failure.value.code == "pull_running"
    assert done[0].read_bytes() == DATA


def test_a_cancelled_pull_leaves_nothing(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL)

    def stop(progress: Progress) -> None:
        if progress.done > 100_000:
            raise cancelled(plan)

    with pytest.raises(Interrupted):
        kit.puller().pull(plan, stop)
    assert kit.files() == {"loras/mine.safetensors"}


def test_a_pull_that_is_interrupted_goes_on(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    plan = kit.planner.plan(URL)
    for fault in (Paused("we leave"), KeyboardInterrupt()):
        seen = itertools.count()

        def leave(progress: Progress, fault: BaseException = fault, seen: Iterator[int] = seen) -> None:
            if next(seen) == 1:
                raise fault

        with pytest.raises(type(fault)):
            kit.puller().pull(plan, leave)
        assert PARTIAL in kit.files()
    assert kit.puller().pull(plan).read_bytes() == DATA
    assert site.requests[-1].start > 0


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from tests.downloads.conftest import Kit, Patience
kit = Kit(int(sys.argv[1]), Path(sys.argv[2]))
plan = kit.planner.plan(sys.argv[3])
def tell(progress):
    print(progress.done, flush=True)
kit.puller().pull(plan, tell)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_pull_that_is_killed_goes_on_from_what_was_on_the_disk(kit: Kit, site: Site) -> None:
    def slowly(request: Request) -> Response:
        response = whole(DATA)(request)
        if request.number == 1:
            response.chunk, response.drip_s = 40_000, 0.2
        return response

    site.put(URL, slowly)
    root = str(Path(__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(kit.port), str(kit.root), URL, root],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    while int(process.stdout.readline() or len(DATA)) < 200_000:
        pass
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    assert TARGET not in kit.files()
    done = json.loads((kit.root / f"{PARTIAL}.json").read_text())["done"]
    assert fetch(kit).read_bytes() == DATA
    assert site.requests[-1].start == done > 0
    assert kit.files() == {TARGET, RECORD, "loras/mine.safetensors"}


def test_a_partial_file_that_was_damaged_is_found_out(kit: Kit, site: Site) -> None:
    site.put(URL, whole(DATA))
    choices = Choices(sha256=sha256(DATA))
    plan = kit.planner.plan(URL, choices)
    with pytest.raises(Paused):
        kit.puller().pull(plan, lambda progress: _leave())
    with (kit.root / PARTIAL).open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    with pytest.raises(BridgeError) as failure:
        kit.puller().pull(plan)
    assert failure.value.code == "checksum_differs"
    assert fetch(kit, choices=choices).read_bytes() == DATA, "the next try begins anew"


def test_keys_stay_with_their_host(kit: Kit, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub = "https://huggingface.co/a/b/resolve/main/style.safetensors"
    site.put("https://huggingface.co/api/models/a/b", always(body=b"{}"))
    site.put(hub, leads_to("https://cdn.huggingface.co/x?signature=1"))
    site.put("https://cdn.huggingface.co/x", whole(DATA))
    plan = kit.planner.plan("hf:a/b/style.safetensors")
    kit.puller(credentials()).pull(plan)
    sent = {(each.host, each.headers.get("authorization")) for each in site.requests}
    assert sent == {("huggingface.co", "Bearer hf_secret"), ("cdn.huggingface.co", None)}
    told = repr(plan) + json.dumps(plan.to_json()) + (kit.root / RECORD).read_text()
    assert "secret" not in told
    assert "signature" not in told


def _leave() -> None:
    raise Paused("we leave")
