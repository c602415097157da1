"""The add-on's folder, as it is packed."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.packaging import PACKAGE, VENDORED, stage_blender, staging


def test_staged_add_on_holds_its_sources_and_what_it_carries(tmp_path: Path):
    addon = stage_blender(tmp_path)
    assert addon == tmp_path / "framebridge"
    for name in ("__init__.py", "blender_manifest.toml", "LICENSE", "capture.py", "_bridge/LICENSE"):
        assert (addon / name).is_file()
    for name in VENDORED:
        assert (addon / "_bridge" / name).exists()


def test_what_it_carries_is_unchanged(tmp_path: Path):
    vendored = stage_blender(tmp_path) / "_bridge"
    for path in (path for path in vendored.rglob("*.py")):
        assert path.read_bytes() == (PACKAGE / path.relative_to(vendored)).read_bytes()


def test_nothing_compiled_or_hidden_ships(tmp_path: Path):
    names = [path.name for path in stage_blender(tmp_path).rglob("*")]
    assert not [
        name for name in names if name.startswith(".") or name in ("__pycache__",) or name.endswith(".pyc")
    ]


def test_staging_again_leaves_nothing_of_before(tmp_path: Path):
    (stage_blender(tmp_path) / "old.py").write_text("")
    assert not (stage_blender(tmp_path) / "old.py").exists()


def test_what_it_carries_needs_no_global_bridge(tmp_path: Path):
    """Vendored modules import each other relatively and otherwise the standard library and websockets."""
    for path in (stage_blender(tmp_path) / "_bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                roots = {(node.module or "").split(".")[0]}
            else:
                continue
            assert roots <= set(sys.stdlib_module_names) | {"websockets"}, path


def test_sources_come_with_the_package_where_there_is_no_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    installed = tmp_path / "site-packages" / "bridge"
    (installed / "_addons").mkdir(parents=True)
    for name in VENDORED:
        source = PACKAGE / name
        (installed / name).symlink_to(source)
    (installed / "_addons" / "blender_addon").symlink_to(PACKAGE.parent / "blender_addon")
    (installed / "_addons" / "LICENSE").write_text("licence")
    monkeypatch.setattr(staging, "PACKAGE", installed)
    addon = stage_blender(tmp_path / "out")
    assert (addon / "capture.py").is_file()
    assert (addon / "_bridge" / "LICENSE").read_text() == "licence"


def test_missing_sources_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staging, "PACKAGE", tmp_path / "bridge")
    with pytest.raises(BridgeError, match="blender_addon") as caught:
        stage_blender(tmp_path / "out")
    assert caught.value.code == "sources_missing"


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    names = ("websockets-1-py3-none-any.whl", "websockets-1-cp311-cp311-win_amd64.whl")
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    return [tmp_path / name for name in names]


def manifest(addon: Path) -> dict[str, object]:
    return tomllib.loads((addon / "blender_manifest.toml").read_text(encoding="utf-8"))


def test_wheels_are_bundled_and_the_binary_ones_are_listed(tmp_path: Path, wheels: list[Path]):
    addon = stage_blender(tmp_path / "out", wheels)
    for wheel in wheels:
        assert (addon / "wheels" / wheel.name).read_bytes() == wheel.read_bytes()
    assert manifest(addon)["wheels"] == ["./wheels/websockets-1-cp311-cp311-win_amd64.whl"]


def test_listing_wheels_changes_nothing_else_of_the_manifest(tmp_path: Path, wheels: list[Path]):
    with_wheels = manifest(stage_blender(tmp_path / "with", wheels))
    del with_wheels["wheels"]
    assert with_wheels == manifest(stage_blender(tmp_path / "without"))
