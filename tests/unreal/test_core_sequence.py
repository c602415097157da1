"""A sequence through the daemon, without an engine: frozen, resumed, mended."""

import io
import json
import time
from typing import Any

import pytest
from PIL import Image

from ..blender.daemon import running_daemon
from .test_core_studio import (  # noqa: F401 - fixtures
    connected,
    core,
    daemon,
    editor,
    home,
    studio,
    wait,
)

SHORT = range(1, 5)


@pytest.fixture
def ready(connected):  # noqa: F811
    connected.choices.set_value("seed", 11)
    return connected


def painted(studio: Any, starts_over: bool = False) -> Any:  # noqa: F811
    studio.render_sequence(starts_over)
    wait(studio, lambda: studio.sequence is None, 120)
    assert studio.problem is None, studio.problem
    return studio


def texts(studio: Any, number: int) -> dict[str, Any]:  # noqa: F811
    with Image.open(folder(studio) / f"frame_{number:04}.png") as picture:
        picture.load()
        return {**picture.text, "framebridge": json.loads(picture.text["framebridge"])["values"]}


def folder(studio: Any) -> Any:  # noqa: F811
    return studio.editor.saved_folder / "Sequences" / "Flight"


def numbers(studio: Any) -> list[int]:  # noqa: F811
    return sorted(int(file.stem[6:]) for file in folder(studio).glob("frame_*.png"))


def test_all_frames_share_seed_and_depth_range(ready):
    painted(ready)
    values = [texts(ready, number)["framebridge"] for number in SHORT]
    assert numbers(ready) == list(SHORT)
    assert {value["seed"] for value in values} == {11}
    assert len({(value["depth_near"], value["depth_far"]) for value in values}) == 1
    near, far = values[0]["depth_near"], values[0]["depth_far"]
    assert near == pytest.approx(1.0, rel=0.1), "the nearest of all frames: 100 cm in the first"
    assert far == pytest.approx(20.0, rel=0.2)
    assert ready.notice.startswith("4 of 4 frames are in")


def test_what_is_there_is_not_made_again(ready):
    painted(ready)
    before = {number: (folder(ready) / f"frame_{number:04}.png").stat().st_mtime_ns for number in SHORT}
    (folder(ready) / "frame_0003.png").write_bytes(b"cut short")
    (folder(ready) / "frame_0002.png").unlink()
    painted(ready)
    after = {number: (folder(ready) / f"frame_{number:04}.png").stat().st_mtime_ns for number in SHORT}
    assert [number for number in SHORT if after[number] != before[number]] == [2, 3]
    assert len(ready.editor.reel.begun) == 1, "rendered frames are kept, too"


def test_a_stop_is_gone_on_from(ready):
    ready.render_sequence()
    wait(ready, lambda: ready.sequence.done >= 1)
    ready.cancel()
    assert ready.sequence is None
    assert "Stopped after" in ready.notice
    done = numbers(ready)
    assert len(done) < 4
    first = texts(ready, done[0])
    painted(ready)
    assert texts(ready, 4)["framebridge shot"] == first["framebridge shot"]
    assert texts(ready, 4)["framebridge"]["depth_far"] == first["framebridge"]["depth_far"]


def test_only_missing_frames_are_rendered(ready):
    painted(ready)
    for number in (2, 4):
        (folder(ready) / f"frame_{number:04}.png").unlink()
        (folder(ready) / "rendered" / f"depth_{number:04}.exr").unlink()
    painted(ready)
    assert ready.editor.reel.begun == [SHORT, range(2, 3), range(4, 5)]


def test_frames_of_other_settings_are_not_mixed_in(ready):
    painted(ready)
    ready.choices.set_value("prompt", "another style")
    ready.when_ready(lambda: None)
    with pytest.raises(Exception, match="other settings") as caught:
        ready.render_sequence()
    assert caught.value.code == "shot_differs"
    painted(ready, starts_over=True)
    assert {texts(ready, number)["framebridge"]["prompt"] for number in SHORT} == {"another style"}
    assert len(ready.editor.reel.begun) == 2, "starting over renders anew: the level may have changed"


def test_frames_of_another_level_are_not_mixed_in(ready):
    painted(ready)
    (folder(ready) / "frame_0001.png").unlink()
    ready.editor.eye.path = "/Game/Maps/Other.Other"
    with pytest.raises(Exception, match="another sequence or level") as caught:
        ready.render_sequence()
    assert caught.value.code == "shot_differs"


def test_starting_over_leaves_no_frame_beyond_the_range(ready):
    painted(ready)
    ready.editor.reel.range = range(1, 3)
    painted(ready, starts_over=True)
    assert numbers(ready) == [1, 2]


@pytest.mark.parametrize("name", ["color_0002.png", "depth_0002.exr"])
def test_a_rendered_file_cut_short_is_rendered_again(ready, name):
    painted(ready)
    (folder(ready) / "frame_0002.png").unlink()
    file = folder(ready) / "rendered" / name
    file.write_bytes(file.read_bytes()[:200])
    painted(ready)
    assert ready.editor.reel.begun == [SHORT, range(2, 3)]
    assert numbers(ready) == list(SHORT)


def test_a_renderer_that_fails_is_told_and_nothing_waits(ready):
    ready.editor.reel.fault = "Movie Render Queue ran out of memory"
    ready.render_sequence()
    wait(ready, lambda: ready.sequence is None)
    assert ready.problem.code == "render_failed"
    assert "out of memory" in ready.problem.message


def test_no_sequence_is_told(ready):
    ready.editor.reel.opened = ""
    with pytest.raises(Exception, match="no level sequence is open") as caught:
        ready.render_sequence()
    assert caught.value.code == "no_sequence"


def test_frames_come_back_as_an_image_sequence(ready):
    painted(ready)
    assert ready.load_sequence() == "/Game/Framebridge/Sequences/Flight"
    assert ready.editor.reel.taken == [(folder(ready), 1, 24.0, "Flight")]


def test_a_daemon_that_dies_midway_costs_nothing(core, editor, tmp_path, monkeypatch):  # noqa: F811
    own = tmp_path / "home"
    own.mkdir()
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(own))
    studio = core("core.studio").Studio(editor)  # noqa: F811
    studio.choices.set_daemon("starts_daemon", False)
    studio.choices.set("longest_side", 128)
    try:
        with running_daemon(own) as process:
            studio.connect()
            wait(studio, lambda: studio.link.can_paint)
            studio.choices.set_value("steps", 6)
            studio.render_sequence()
            wait(studio, lambda: studio.sequence.done >= 1)
            process.kill()
            process.wait()
            wait(studio, lambda: not studio.link.is_connected)
            (own / "daemon.json").unlink()
            soon = time.monotonic() + 1
            wait(studio, lambda: time.monotonic() > soon)
            assert studio.sequence is not None
        with running_daemon(own):
            wait(studio, lambda: studio.sequence is None, 120)
            assert studio.problem is None, studio.problem
        assert numbers(studio) == list(SHORT)
    finally:
        studio.close()


def test_painted_frames_are_pictures_of_their_frames(ready):
    painted(ready)
    pictures = [Image.open(io.BytesIO((folder(ready) / f"frame_{n:04}.png").read_bytes())) for n in SHORT]
    assert {picture.size for picture in pictures} == {(128, 96)}, "in the proportions of the camera's cut"
    assert len({picture.tobytes() for picture in pictures}) == 4
