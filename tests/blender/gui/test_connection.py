"""The connection as artists live with it: no daemon, one that is started, killed, restarted, and shared."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..daemon import running_daemon
from .screen import wait_for
from .window import Window, window

PROGRAM = Path(sys.executable).with_name("framebridge")
SET_UP = """
from framebridge import display
from framebridge.studio import studio
bpy.ops.mesh.primitive_monkey_add(location=(0, -2, 1))
settings = bpy.context.scene.framebridge
settings.longest_side = 192
bpy.context.preferences.edit.use_global_undo = True
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a daemon will be found once one runs; whatever was started there is ended."""
    folder = tmp_path_factory.mktemp("home")
    yield folder
    end_daemon(folder)


@pytest.fixture(scope="module")
def first(
    programs: None, user_folder: Path, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Window]:
    environment = {"FRAMEBRIDGE_HOME": str(home)}
    with window(tmp_path_factory.mktemp("window"), user_folder, environment, "framebridge") as opened:
        opened.run(SET_UP)
        opened.open_tab("Framebridge")
        yield opened


def end_daemon(home: Path) -> None:
    """Kill the daemon of a folder without a word, as a crash would."""
    file = home / "daemon.json"
    if file.exists():
        pid = json.loads(file.read_text())["pid"]
        file.unlink()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        wait_for(lambda: not Path(f"/proc/{pid}").exists() or is_dead(pid), "the end of the daemon", 30)


def is_dead(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_missing_daemon_is_told(first):
    first.find("The daemon is not running")
    first.rest()
    first.photograph("blender-no-daemon", "UI")


def test_generate_starts_the_daemon_and_brings_a_picture(first, home):
    preferences = "bpy.context.preferences.addons['framebridge'].preferences"
    first.run(f"{preferences}.program = program", program=str(PROGRAM))
    first.run(f"{preferences}.arguments = '--port 0 --device cpu'")
    first.click("Generate")
    first.wait("len(display.results()) == 1", 120)
    assert (home / "daemon.json").exists()
    assert first.run("str(studio().trouble)") == "None"


def test_killed_daemon_is_noticed_while_live_is_on(first, home):
    first.click("Live", nth=0)
    first.wait("studio().live is not None and studio().live.picture is not None", 60)
    end_daemon(home)
    first.wait("not studio().link.is_connected", 2)
    first.find("The daemon is not running")
    assert first.run("studio().live is not None")
    first.run("bpy.data.objects['Suzanne'].location.z += 0.5")  # the scene goes on changing meanwhile
    first.rest()
    first.photograph("blender-lost", "UI")


def test_live_goes_on_with_a_restarted_daemon(first, home):
    last = first.run("id(studio().live.picture)")
    with running_daemon(home):
        first.wait("studio().link.is_ready", 60)
        first.wait("id(studio().live.picture) != last", 60, last=last)
        assert first.run("str(studio().trouble)") == "None"
        first.click("Live", nth=0)
        first.wait("studio().live is None")


def test_two_blenders_share_a_daemon(first, home, user_folder, tmp_path_factory):
    environment = {"FRAMEBRIDGE_HOME": str(home)}
    user = tmp_path_factory.mktemp("user") / "user"
    shutil.copytree(user_folder, user)
    with (
        running_daemon(home),
        window(tmp_path_factory.mktemp("second"), user, environment, "framebridge") as second,
    ):
        second.run(SET_UP)
        first.wait("studio().link.is_ready", 60)
        second.run("bpy.ops.framebridge.generate()")
        first.run("bpy.ops.framebridge.generate()")
        second.wait("len(display.results()) == 1", 120)
        first.wait("len(display.results()) == 2", 120)
        second.quit()
        assert second.faults() == []


def test_result_does_not_land_in_another_file(first, home):
    with running_daemon(home):
        first.wait("studio().link.is_ready", 60)
        first.run("_set_steps = lambda: setattr(settings.p_stylize, 'p_steps', 60)")
        first.run("_set_steps()")
        first.run("bpy.ops.framebridge.generate()")
        first.wait("studio().is_generating and len(studio().tasks) > 0")
        # From a timer, as from a menu: a context override would outlive what it points to.
        first.run(
            "bpy.app.timers.register(lambda: bpy.ops.wm.read_homefile(use_factory_startup=True) and None)"
        )
        first.wait("not studio().is_generating", 60)
        assert first.run("len(display.results())") == 0
        assert not first.run("studio().overlay.is_shown")


def test_blender_quits_at_once_while_live_and_a_job_are_under_way(first, home):
    with running_daemon(home):
        first.wait("studio().link.is_ready", 60)
        first.run(SET_UP)
        first.run("settings.p_stylize.p_steps = 60")
        first.run("bpy.ops.framebridge.live()")
        first.run("bpy.ops.framebridge.generate()")
        first.wait("len(studio().tasks) > 0 and studio().live is not None", 60)
        first.quit()
    assert first.faults() == []
