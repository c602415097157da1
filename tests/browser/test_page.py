"""Our own page on a real daemon, in a real browser: state, queue with cancel, live, history, models."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from bridge.client import Client, Locator, Stream
from bridge.protocol import Frame, Plane

from .chromium import Page
from .conftest import Served

MARKUP = "<b onclick=alert(1)>no markup</b>"
SAVE = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "castle"}},
    "3": {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["4", 1], "text": MARKUP},
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
}
VIEW = {
    "width": 0,
    "height": 0,
    "canny_source": "colour",
    "canny_low": 40.0,
    "canny_high": 100.0,
    "depth_near": 0.0,
    "depth_far": 0.0,
}
SHOW = {
    "1": {"class_type": "ViewportFrame", "inputs": VIEW},
    "2": {"class_type": "SendToHost", "inputs": {"images": ["1", 0]}},
}
LONG = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "framebridge-demo"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["4", 1], "text": "a castle for ever"},
    },
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["6", 0],
            "latent_image": ["5", 0],
            "seed": 1,
            "steps": 9999,
            "cfg": 1.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "castle"}},
}


def view(number: int, side: int = 320) -> Frame:
    """A frame of a ramp, red to the right and green downwards."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    color = np.stack([*np.meshgrid(ramp, ramp), np.full((side, side), 64, np.uint8)], -1)
    depth = np.full((side, side), 2.0, np.float32)
    planes = {
        "color": Plane("color", color.shape, "u8", color.tobytes()),
        "depth": Plane("depth", depth.shape, "f32", depth.tobytes()),
    }
    return Frame(planes, number=number)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    with Client(Locator(f"127.0.0.1:{served.port}", served.token), name="blender") as client:
        yield client


@pytest.fixture(scope="module")
def ours(served: Served, page: Page) -> Page:
    """Our page, after the one-time address."""
    page.open(served.entrance())
    page.until("location.pathname === '/'")
    page.open(f"{served.url}/framebridge")
    page.until("document.querySelector('#state')?.dataset.worker")
    return page


def run(served: Served, prompt: dict[str, Any]) -> str:
    return str(
        served.ask("/prompt", json.dumps({"prompt": prompt, "client_id": "script"}).encode())["prompt_id"]
    )


def test_a_stranger_sees_how_to_get_in_and_nothing_else(served: Served, page: Page, pictures: Path) -> None:
    page.open(f"{served.url}/framebridge")
    page.until_shown("framebridge open")
    assert not page.js("document.querySelector('script, img, link, canvas')")
    assert served.token not in page.js("document.documentElement.outerHTML")
    page.picture(pictures / "page-stranger.png")


def test_an_empty_daemon_says_what_is_not_there_yet(ours: Page, pictures: Path) -> None:
    ours.until("['ready', 'busy'].includes(document.querySelector('#state').dataset.worker)")
    ours.until_shown("Nothing runs, and nothing waits.")
    ours.until_shown("No program is connected.")
    ours.until_shown("checkpoints")
    ours.picture(pictures / "page-empty.png")


def test_jobs_show_their_pictures_once_they_have_ended(served: Served, client: Client, ours: Page) -> None:
    run(served, SAVE)
    client.run(workflow=SHOW, frame=view(1))
    ours.until("document.querySelectorAll('#history .tile').length === 2")
    ours.until("[...document.querySelectorAll('#history img')].some(image => image.naturalWidth === 512)")
    ours.until("document.querySelector('#history canvas')?.width === 320")
    red, green, *_ = ours.js("""(() => {
        const canvas = document.querySelector('#history canvas');
        return [...canvas.getContext('2d').getImageData(319, 0, 1, 1).data];
    })()""")
    assert red > 240
    assert green < 15


def test_words_of_strangers_are_words(ours: Page) -> None:
    ours.until_shown(MARKUP)
    assert not ours.js("document.querySelector('main b[onclick], main img[onerror]')")


def test_live_streams_are_seen_as_they_run(client: Client, ours: Page) -> None:
    with client.stream("live", workflow=SHOW) as stream:
        push_until(stream, ours, "document.querySelector('#live canvas')?.width === 320")
        before = ours.js("document.querySelector('#live .tile').dataset.frame")
        push_until(stream, ours, f"document.querySelector('#live .tile').dataset.frame !== '{before}'")
        ours.until("document.querySelector('#sessions').innerText.includes('blender · live')")
    ours.until_shown("No live view is on.")


def test_queue_is_listed_and_cancelled_with_the_keyboard(
    served: Served, client: Client, ours: Page, pictures: Path
) -> None:
    stream = client.stream("live", workflow=SHOW)
    push_until(stream, ours, "!!document.querySelector('#live canvas')")
    first, second = run(served, LONG), run(served, LONG)
    ours.until("document.querySelectorAll('#queue .job').length === 2")
    ours.until("document.querySelector('#queue .job').dataset.state === 'running'")
    ours.until("document.querySelector('#state').dataset.worker === 'busy'")
    with window(ours, 1280, 1150):
        ours.picture(pictures / "page-busy.png")
    ours.js("document.querySelectorAll('#queue button')[1].focus()")
    press_enter(ours)
    ours.until("document.querySelectorAll('#queue .job').length === 1")
    assert ours.js("document.querySelector('#queue .job').dataset.id") == first
    ours.js("document.querySelector('#queue button').focus()")
    press_enter(ours)
    ours.until_shown("Nothing runs, and nothing waits.")
    stream.close()
    assert {served.ask(f"/api/jobs/{job}")["status"] for job in (first, second)} == {"cancelled"}


def test_narrow_windows_show_everything_below_each_other(ours: Page, pictures: Path) -> None:
    with window(ours, 420, 900):
        ours.until("document.documentElement.scrollWidth <= 420")
        ours.picture(pictures / "page-narrow.png")


def test_nothing_failed_and_nothing_went_elsewhere(served: Served, ours: Page) -> None:
    answers = [(status, urlsplit(url)) for status, url in ours.answers() if url.startswith("http")]
    assert {url.netloc for _, url in answers} == {f"127.0.0.1:{served.port}"}
    assert not any("the-token" in url.geturl() or served.token in url.geturl() for _, url in answers)
    assert ours.faults() == []
    blocked = [entry["entry"] for entry in ours._heard("Log.entryAdded") if "Content Security" in str(entry)]
    assert blocked == []


def test_daemon_that_does_not_answer_leaves_no_live_queue(served: Served, ours: Page, pictures: Path) -> None:
    job = run(served, LONG)
    ours.until("document.title === '(1) Framebridge'")
    with blocked(ours, "*/framebridge/cancel/*"):
        ours.js("document.querySelector('#queue button').click()")
        ours.until_shown("It was not cancelled. The daemon does not answer.")
    with blocked(ours, "*/framebridge/now"):
        ours.until("document.querySelector('#state').innerText === 'The daemon does not answer.'")
        assert ours.js("document.title") == "Framebridge"
        assert ours.js("document.querySelector('#queue button').closest('[inert]') !== null")
        assert float(ours.js("getComputedStyle(document.querySelector('main')).opacity")) < 0.6
        ours.picture(pictures / "page-away.png")
    ours.until("document.title === '(1) Framebridge'")
    ours.until("!document.querySelector('[inert]')")
    served.ask(f"/api/jobs/{job}/cancel", b"")
    ours.until_shown("Nothing runs, and nothing waits.")


def test_browser_that_is_not_let_in_any_more_is_told_so(ours: Page, pictures: Path) -> None:
    ours.command("Network.clearBrowserCookies")
    ours.until_shown("This browser is not let in any more, as after a restart of the daemon.")
    ours.until_shown("Type: framebridge open")
    ours.picture(pictures / "page-not-let-in.png")


@contextlib.contextmanager
def blocked(page: Page, address: str) -> Iterator[None]:
    """Let requests to an address fail for a while."""
    page.command("Network.setBlockedURLs", urls=[address])
    yield
    page.command("Network.setBlockedURLs", urls=[])


def push_until(stream: Stream, page: Page, condition: str) -> None:
    """Send frames until the page shows what they bring."""
    for number in range(1, 200):
        stream.push(view(number))
        if page.js(condition):
            return
        page.js("new Promise(done => setTimeout(done, 200))")
    raise AssertionError(f"it did not come to pass: {condition}")


@contextlib.contextmanager
def window(page: Page, width: int, height: int) -> Iterator[None]:
    """Make the window another size for a while."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.command("Emulation.setDeviceMetricsOverride", **size)
    yield
    page.command("Emulation.clearDeviceMetricsOverride")


def press_enter(page: Page) -> None:
    for kind in ("keyDown", "keyUp"):
        page.command(
            "Input.dispatchKeyEvent",
            type=kind,
            key="Enter",
            code="Enter",
            text="\r",
            windowsVirtualKeyCode=13,
        )
