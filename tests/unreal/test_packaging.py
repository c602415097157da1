"""The plugin as it ships: what is in the zip, and what is refused."""

import ast
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import __version__
from bridge.packaging import (
    PURE,
    InvalidPackage,
    fetch_wheels,
    inspect_plugin,
    package_unreal,
    stage_unreal,
    write_archive,
)

PYTHON = "Content/Python"
PACKAGE = f"{PYTHON}/framebridge_unreal"
Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin's folder; not to be changed."""
    return stage_unreal(tmp_path_factory.mktemp("plugin"), fetch_wheels(PURE))


@pytest.fixture
def pack(tmp_path: Path) -> Callable[[Change], Path]:
    """Pack the plugin after a change to its folder."""

    def pack(change: Change) -> Path:
        plugin = stage_unreal(tmp_path / "changed", fetch_wheels(PURE))
        change(plugin)
        return write_archive(plugin, tmp_path / "plugin.zip")

    return pack


def faults(archive: Path) -> str:
    with pytest.raises(InvalidPackage) as caught:
        inspect_plugin(archive)
    return "\n".join(caught.value.faults)


def replacing(name: str, old: str, new: str) -> Change:
    def change(plugin: Path) -> None:
        text = (plugin / name).read_text(encoding="utf-8")
        assert old in text
        (plugin / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def adding(name: str, data: bytes = b"") -> Change:
    def change(plugin: Path) -> None:
        (plugin / name).parent.mkdir(parents=True, exist_ok=True)
        (plugin / name).write_bytes(data)

    return change


def removing(name: str) -> Change:
    return lambda plugin: (plugin / name).unlink()


def describing(**changes: object) -> Change:
    def change(plugin: Path) -> None:
        file = plugin / "Framebridge.uplugin"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def test_the_zip_passes_every_check_and_is_the_same_again(tmp_path: Path) -> None:
    first, second = package_unreal(tmp_path / "one"), package_unreal(tmp_path / "two")
    assert first.archive.name == f"framebridge-unreal-{__version__}.zip"
    assert first.sha256 == second.sha256
    assert all(check.was_run for check in first.checks)
    with zipfile.ZipFile(first.archive) as packed:
        names = packed.namelist()
    assert all(name.startswith("Framebridge/") for name in names)
    for needed in ("Framebridge.uplugin", "Config/FilterPlugin.ini", f"{PYTHON}/init_unreal.py", "README.md"):
        assert f"Framebridge/{needed}" in names


def test_what_it_carries_is_unchanged(plugin: Path) -> None:
    import bridge

    for name in ("errors.py", "client/client.py", "protocol/frame.py", "host/tasks.py"):
        ours = (Path(bridge.__file__).parent / name).read_bytes()
        assert (plugin / PACKAGE / "_bridge" / name).read_bytes() == ours


def test_its_engine_free_half_needs_nothing_but_what_it_carries(plugin: Path) -> None:
    """A bare Python imports it, and connects nowhere."""
    code = (
        "import sys, types; sys.path[:0] = sys.argv[1:]; package = types.ModuleType('framebridge_unreal'); "
        "package.__path__ = [sys.argv[1] + '/framebridge_unreal']; "
        "sys.modules['framebridge_unreal'] = package; "
        "import framebridge_unreal.core.studio, framebridge_unreal.core.panel; "
        "assert 'numpy' not in sys.modules and 'bridge' not in sys.modules; print('ok')"
    )
    python, libraries = plugin / PYTHON, plugin / PYTHON / "Lib" / "site-packages"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(python), str(libraries)], capture_output=True, text=True
    )
    assert done.stdout == "ok\n", done.stderr


def test_every_own_module_begins_with_what_it_is(plugin: Path) -> None:
    for file in (plugin / PYTHON).rglob("*.py"):
        if "site-packages" not in file.parts:
            assert ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))), file


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (describing(FileVersion=2), '"FileVersion" is 2'),
        (describing(CanContainContent=False), '"CanContainContent" is False'),
        (describing(Modules=[{"Name": "Framebridge"}]), "no compiled code"),
        (describing(VersionName="9.9.9"), "versions differ"),
        (describing(Plugins=[{"Name": "PythonScriptPlugin"}]), '"Plugins" is'),
        (describing(Extra=1), 'has "Extra"'),
        (adding("Framebridge.uplugin", b"{"), "no JSON"),
        (removing(f"{PYTHON}/init_unreal.py"), "init_unreal.py is missing"),
        (removing("Config/FilterPlugin.ini"), "Config/FilterPlugin.ini is missing"),
        (replacing("Config/FilterPlugin.ini", "/README.md", ""), "README.md would be dropped"),
        (adding("Docs/guide.md"), "Docs/guide.md would be dropped"),
        (adding(f"{PACKAGE}/core/fast.pyd"), "is compiled"),
        (adding("Content/Panel.uasset"), "is compiled"),
        (adding(f"{PACKAGE}/core/x.py", b"import numpy\n"), "imports numpy"),
        (adding(f"{PACKAGE}/core/x.py", b"import unreal\n"), "imports unreal"),
        (adding(f"{PACKAGE}/host/x.py", b"import subprocess\n"), "imports subprocess"),
        (adding(f"{PACKAGE}/host/x.py", b"exec('1')\n"), "calls exec"),
        (adding(f"{PACKAGE}/host/x.py", b"import os\nos.system('ls')\n"), "calls system"),
        (adding(f"{PACKAGE}/host/x.py", b"import pickle\n"), "imports pickle"),
        (adding(f"{PACKAGE}/host/x.py", b"import socket\n"), "imports socket"),
        (adding(f"{PACKAGE}/host/x.py", b"x.execute_python_command('1')\n"), "calls execute_python"),
        (adding("LICENSE", b"\xff"), "LICENSE is missing or not"),
        (adding(f"{PACKAGE}/_bridge/__init__.py", b'"""x"""\n__version__ = f()\n'), "versions differ"),
        (adding(f"{PACKAGE}/host/x.py", b"def broken(:\n"), "no Python 3.11"),
        (adding(f"{PACKAGE}/host/__pycache__/x.pyc"), "does not belong"),
        (removing(f"{PYTHON}/Lib/site-packages/websockets/__init__.py"), "websockets is missing"),
        (adding("LICENSE", b"all mine"), "LICENSE is missing or not"),
    ],
)
def test_each_rule_is_broken_once(pack: Callable[[Change], Path], change: Change, fault: str) -> None:
    assert fault in faults(pack(change))


def test_a_plugin_that_breaks_a_rule_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.packaging import unreal_release

    stage = unreal_release.stage_unreal

    def broken(target: Path, wheels: list[Path]) -> Path:
        plugin = stage(target, wheels)
        adding(f"{PACKAGE}/core/x.py", b"import numpy\n")(plugin)
        return plugin

    monkeypatch.setattr(unreal_release, "stage_unreal", broken)
    with pytest.raises(InvalidPackage, match="numpy"):
        package_unreal(tmp_path)
    assert list(tmp_path.iterdir()) == []
