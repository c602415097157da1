import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import __version__

from .conftest import Command


@pytest.fixture(scope="module")
def printed(framebridge: Command, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("dist")
    done = framebridge("package", "blender", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_what_was_written_and_checked_is_printed(printed: tuple[Path, str]) -> None:
    out, text = printed
    assert f"wrote {out / f'framebridge-{__version__}.zip'}" in text
    assert f"wrote {out / 'index.json'}" in text
    for check in ("files", "manifest", "versions", "wheels", "licences", "sources", "Blender's own check"):
        assert check in text


def test_how_to_install_and_update_is_printed(printed: tuple[Path, str], framebridge: Command) -> None:
    shown = framebridge("package", "blender", "--help").stdout
    for text in (" ".join(printed[1].split()), " ".join(shown.split())):
        assert "Add Remote Repository" in text
        assert "Install from Disk" in text


def test_json_for_scripts(framebridge: Command, tmp_path: Path) -> None:
    done = framebridge("package", "blender", "--out", tmp_path, "--json")
    told = json.loads(done.stdout)
    assert Path(told["archive"]).stat().st_size == told["size"]
    assert Path(told["index"]).is_file()
    assert {"name", "finding", "was_run"} == set(told["checks"][0])


def test_unwritable_folder_is_a_sentence_with_a_hint(framebridge: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = framebridge("package", "blender", "--out", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def limited(out: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command where no file may grow beyond 1 MiB, as on a full disk."""
    program = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "runpy.run_module('bridge', run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "package", "blender", "--out", str(out)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be limited there")
def test_full_disk_is_a_sentence_with_a_hint(printed: tuple[Path, str], tmp_path: Path) -> None:
    done = limited(tmp_path)
    assert done.returncode == 1
    assert "[disk_full]: no room to" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_network_and_no_cache_is_a_sentence_with_a_hint(tmp_path: Path) -> None:
    offline = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline |= {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    offline |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "package", "blender", "--out", str(tmp_path / "dist")],
        capture_output=True,
        text=True,
        timeout=120,
        env=offline,
    )
    assert done.returncode == 1
    assert "the package index cannot be reached" in done.stderr
    assert "hint: Go online once" in done.stderr
    assert "Traceback" not in done.stderr
