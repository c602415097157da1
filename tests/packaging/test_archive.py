import os
import zipfile
from pathlib import Path

from bridge.packaging import stage_blender, write_archive


def test_same_sources_give_the_same_bytes_whenever_they_were_written(tmp_path: Path):
    first = stage_blender(tmp_path / "first")
    second = stage_blender(tmp_path / "second")
    for path in second.rglob("*.py"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    archives = [write_archive(addon, addon.parent / "framebridge.zip") for addon in (first, second)]
    assert archives[0].read_bytes() == archives[1].read_bytes()


def test_everything_lies_in_one_folder_sorted(tmp_path: Path):
    addon = stage_blender(tmp_path)
    with zipfile.ZipFile(write_archive(addon, tmp_path / "framebridge.zip")) as packed:
        names = packed.namelist()
        assert names == sorted(names)
        assert {name.split("/")[0] for name in names} == {"framebridge"}
        assert len(names) == len([path for path in addon.rglob("*") if path.is_file()])
        for name in names:
            assert packed.read(name) == (tmp_path / name).read_bytes()


def test_packing_again_replaces_what_was_there(tmp_path: Path):
    addon = stage_blender(tmp_path)
    before = write_archive(addon, tmp_path / "framebridge.zip").read_bytes()
    assert write_archive(addon, tmp_path / "framebridge.zip").read_bytes() == before
