"""The picture process: it is started when needed, and nothing that happens to it harms the daemon."""

import asyncio
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from bridge.comfy.clerk import PictureClerk
from bridge.errors import BridgeError

DYING = "import sys; sys.stdin.readline()"
SLOW = "import time; time.sleep(60)"
BABBLING = "import sys; sys.stdin.readline(); print('what?', flush=True)"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    Image.new("RGB", (32, 24), (200, 100, 50)).save(path)
    return path


def program(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


async def test_one_process_makes_all_pictures(picture):
    clerk = PictureClerk()
    try:
        views = await asyncio.gather(*(clerk.view(picture, "webp", "rgb") for _ in range(5)))
        assert len(set(views)) == 1
        assert views[0][0] == "image/webp"
    finally:
        await clerk.close()


async def test_it_leaves_when_nobody_asks_and_comes_back(picture):
    clerk = PictureClerk(idle_s=0.05)
    try:
        await clerk.view(picture, "webp", "rgb")
        deadline = time.monotonic() + 60
        while clerk._process is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert clerk._process is None
        assert (await clerk.view(picture, "webp", "rgb"))[0] == "image/webp"
    finally:
        await clerk.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [(DYING, "picture_process_died"), (BABBLING, "picture_process_died"), (SLOW, "picture_too_slow")],
    ids=["dies", "babbles", "hangs"],
)
async def test_a_process_that_fails_is_told_of_and_replaced(picture, code, expected):
    clerk = PictureClerk(program(code), deadline_s=0.5 if code == SLOW else 20)
    try:
        for _ in range(2):
            with pytest.raises(BridgeError) as error:
                await clerk.view(picture, "webp", "rgb")
            assert error.value.code == expected
    finally:
        await clerk.close()


async def test_an_answer_nobody_waited_for_is_not_given_to_the_next(picture, tmp_path):
    clerk = PictureClerk()
    try:
        asked = asyncio.create_task(clerk.view(picture, "webp", "rgb"))
        await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        assert (await clerk.view(picture, "jpeg", "rgb"))[0] == "image/jpeg"
    finally:
        await clerk.close()


async def test_a_process_that_somebody_ended_meanwhile_is_started_again(picture):
    clerk = PictureClerk()
    try:
        await clerk.view(picture, "webp", "rgb")
        clerk._process.kill()
        clerk._process.wait()
        assert (await clerk.view(picture, "webp", "rgb"))[0] == "image/webp"
    finally:
        await clerk.close()
