"""Blender's own extension tool takes the staged add-on and the archive, and would write our listing."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bridge.packaging import package_blender


def extension_tool(blender, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    scripts = next((blender.python.parent.parent / "lib").glob("python3.*/site-packages/bpy/*.*/scripts"))
    tool = scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    return subprocess.run(
        [blender.python, tool, *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def tags(blender) -> Path:
    scripts = next((blender.python.parent.parent / "lib").glob("python3.*/site-packages/bpy/*.*/scripts"))
    return scripts / "modules" / "_bpy_internal" / "extensions" / "tags.py"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    package_blender(folder)
    return folder


def test_extension_tool_accepts_the_staged_add_on(blender):
    done = extension_tool(blender, "validate", f"--valid-tags={tags(blender)}", blender.addon)
    assert done.returncode == 0, done.stdout + done.stderr


def test_extension_tool_accepts_the_archive(blender, out: Path):
    archive = next(out.glob("*.zip"))
    done = extension_tool(blender, "validate", f"--valid-tags={tags(blender)}", archive)
    assert done.returncode == 0, done.stdout + done.stderr


def test_listing_is_the_one_that_blenders_tool_writes(blender, out: Path, tmp_path: Path):
    shutil.copy(next(out.glob("*.zip")), tmp_path)
    done = extension_tool(blender, "server-generate", "--repo-dir", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = json.loads((tmp_path / "index.json").read_text())
    ours = json.loads((out / "index.json").read_text())
    assert ours == theirs
    assert list(ours["data"][0]) == list(theirs["data"][0])
