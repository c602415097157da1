"""What a packed add-on is refused for; each rule is broken once."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.packaging import InvalidPackage, contents, inspect_archive, inspection

from .conftest import Pack

MANIFEST = "blender_manifest.toml"


def faults(archive: Path) -> list[str]:
    with pytest.raises(InvalidPackage) as caught:
        inspect_archive(archive)
    assert caught.value.code == "package_invalid"
    assert [problem.message for problem in caught.value.problems] == list(caught.value.faults)
    return list(caught.value.faults)


def replacing(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(addon: Path) -> None:
        text = (addon / name).read_text(encoding="utf-8")
        assert old in text
        (addon / name).write_text(text.replace(old, new), encoding="utf-8")

    return change


def adding(name: str, data: bytes = b"") -> Callable[[Path], None]:
    def change(addon: Path) -> None:
        (addon / name).parent.mkdir(parents=True, exist_ok=True)
        (addon / name).write_bytes(data)

    return change


def removing(name: str) -> Callable[[Path], None]:
    return lambda addon: (addon / name).unlink()


def a_wheel(addon: Path, ending: str) -> Path:
    return next((addon / "wheels").glob(f"*{ending}"))


def test_add_on_as_it_ships_passes_every_check(archive: Path):
    checks = inspect_archive(archive)
    assert [check.name for check in checks] == [
        "files",
        "manifest",
        "versions",
        "wheels",
        "licences",
        "sources",
    ]
    assert all(check.was_run for check in checks)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('schema_version = "1.0.0"', 'schema_version = "9.0.0"', "schema_version"),
        ('id = "framebridge"', 'id = "other"', '"id"'),
        ('version = "0.1.0"', 'version = "0.1"', "semantic version"),
        ('name = "Framebridge"', 'name = ""', '"name"'),
        ("from the viewport", "from the viewport!", "without punctuation"),
        ("from the viewport", "from the viewport" + " and more" * 9, "at most 64"),
        ('maintainer = "The', 'maintainer = " The', '"maintainer"'),
        ('type = "add-on"', 'type = "addon"', '"add-on"'),
        ('"Render"', '"Rendering"', "tags"),
        ('blender_version_min = "4.2.0"', 'blender_version_min = "3.4.0"', "4.2.0 or later"),
        ('blender_version_min = "4.2.0"', 'blender_version_min = "4.2"', "three numbers"),
        ('"SPDX:GPL-3.0-or-later"', '"GPL"', "SPDX"),
        ('"2026 The', '"The', "YEAR Name"),
        ("network =", "internet =", "permissions"),
        ("they make", "they make.", "permissions"),
        ('"./wheels/', '"../wheels/', "wheels"),
        ('maintainer = "The Framebridge authors"\n', "", 'lacks "maintainer"'),
        ("[permissions]", "[permissions", "no TOML"),
    ],
)
def test_manifest_that_the_platform_refuses_is_refused(pack: Pack, old: str, new: str, fault: str):
    if old == "they make":
        old, new = 'pictures it makes"', 'pictures it makes."'
    assert any(fault in found for found in faults(pack(replacing(MANIFEST, old, new))))


@pytest.mark.parametrize("name", [MANIFEST, "__init__.py", "LICENSE", "_bridge/LICENSE", "wheels/LICENSE"])
def test_missing_file_is_named(pack: Pack, name: str):
    assert any(name in fault and "missing" in fault for fault in faults(pack(removing(name))))


@pytest.mark.parametrize(
    "name",
    [
        "__pycache__/a.txt",
        "a.pyc",
        ".git/config",
        "sub/.hidden",
        "old.zip",
        "scene.blend1",
        "a" * 150 + ".txt",
    ],
)
def test_file_that_does_not_belong_is_named(pack: Pack, name: str):
    assert any(name in fault for fault in faults(pack(adding(name))))


@pytest.mark.parametrize(
    "name", ["evil.py", "framebridge/../evil.py", "framebridge\\evil.py", "/framebridge/a"]
)
def test_path_out_of_the_folder_is_named(archive: Path, tmp_path: Path, name: str):
    changed = shutil.copy(archive, tmp_path / "changed.zip")
    entry = zipfile.ZipInfo()
    entry.filename = name  # past the constructor, which tidies
    with zipfile.ZipFile(changed, "a") as packed:
        packed.writestr(entry, b"")
    assert any(name in fault for fault in faults(changed))


def test_names_that_differ_in_case_only_are_refused(archive: Path, tmp_path: Path):
    changed = shutil.copy(archive, tmp_path / "changed.zip")
    with zipfile.ZipFile(changed, "a") as packed:
        packed.writestr("framebridge/Capture.py", inspection.SPDX)
    assert any("upper and lower case" in fault for fault in faults(changed))


def test_too_large_a_package_is_refused(archive: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contents, "MAX_BYTES", 1 << 20)
    assert any("MB is too large" in fault for fault in faults(archive))


@pytest.mark.parametrize("place", ["__init__.py", "_bridge/__init__.py", MANIFEST])
def test_versions_that_differ_are_refused(pack: Pack, place: str):
    old, new = ("(0, 1, 0)", "(0, 2, 0)") if place == "__init__.py" else ('"0.1.0"', '"0.2.0"')
    found = faults(pack(replacing(place, old, new)))
    assert any("versions differ" in fault and "0.2.0" in fault for fault in found)


def test_changed_wheel_is_refused(pack: Pack):
    found = faults(pack(lambda addon: a_wheel(addon, "win_amd64.whl").write_bytes(b"other")))
    assert found == [f for f in found if "win_amd64.whl is not the one that SHA256SUMS names" in f]


def test_missing_wheel_is_refused(pack: Pack):
    found = faults(pack(lambda addon: a_wheel(addon, "win_amd64.whl").unlink()))
    assert any("win_amd64.whl is missing" in fault for fault in found)


def test_wheel_that_is_not_pinned_is_refused(pack: Pack):
    found = faults(pack(adding("wheels/torch-2.0-py3-none-any.whl", b"x")))
    assert any("torch-2.0-py3-none-any.whl is not one of SHA256SUMS" in fault for fault in found)


def test_wheel_that_the_manifest_forgets_is_refused(pack: Pack):
    def forget(addon: Path) -> None:
        name = a_wheel(addon, "win_arm64.whl").name
        replacing(MANIFEST, f'    "./wheels/{name}",\n', "")(addon)

    assert any("win_arm64.whl is not listed" in fault for fault in faults(pack(forget)))


def test_listed_pure_wheel_is_refused(pack: Pack):
    """Blender would take it before any binary one."""

    def list_it(addon: Path) -> None:
        name = a_wheel(addon, "any.whl").name
        replacing(MANIFEST, "wheels = [\n", f'wheels = [\n    "./wheels/{name}",\n')(addon)

    assert any("any.whl is listed in the manifest" in fault for fault in faults(pack(list_it)))


def test_source_without_its_licence_is_named(pack: Pack):
    found = faults(pack(replacing("capture.py", inspection.SPDX, "# mine")))
    assert any(fault.startswith("capture.py does not begin with its licence") for fault in found)


def test_source_that_is_no_python_is_named(pack: Pack):
    found = faults(pack(adding("broken.py", inspection.SPDX.encode() + b"\ndef broken(:\n")))
    assert any("broken.py is no Python 3.11" in fault for fault in found)


def test_every_fault_is_told_at_once(pack: Pack):
    def break_two(addon: Path) -> None:
        removing("wheels/LICENSE")(addon)
        replacing(MANIFEST, '"Render"', '"Rendering"')(addon)

    assert len(faults(pack(break_two))) == 2


def test_what_is_no_zip_is_refused(tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"no zip")
    assert any("cannot be read" in fault for fault in faults(tmp_path / "a.zip"))


def test_damaged_zip_is_refused(archive: Path, tmp_path: Path):
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(data)
    assert any("is damaged" in fault for fault in faults(tmp_path / "a.zip"))
