"""Files put among the models, and folders that are used for good."""

import json
import os
import sys
from pathlib import Path

import pytest

from bridge.errors import ModelError
from bridge.models import (
    Catalogue,
    ModelFolder,
    add_file,
    file_name,
    find_folders,
    folder_at,
    folders_in,
    place_for,
    read_registered,
    register,
    registry_file,
    unregister,
)
from bridge.models.registered import MOST_FOLDERS

from .conftest import Write

VAE = {"encoder.conv_in.weight": (1, 3), "decoder.conv_in.weight": (1, 4)}


def test_a_file_goes_where_its_content_belongs(write: Write, tmp_path: Path) -> None:
    source = write("Downloads/whatever (1).safetensors", shapes=VAE)
    target = add_file(source, tmp_path / "models")
    assert target == tmp_path / "models" / "vae" / "whatever (1).safetensors"
    assert target.read_bytes() == source.read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_nothing_is_overwritten(write: Write, tmp_path: Path) -> None:
    source = write("Downloads/a.safetensors", shapes=VAE)
    add_file(source, tmp_path / "models")
    with pytest.raises(ModelError) as failure:
        add_file(source, tmp_path / "models")
    assert failure.value.code == "file_exists"


def test_a_link_takes_no_room(write: Write, tmp_path: Path) -> None:
    source = write("Downloads/a.safetensors", shapes=VAE)
    assert os.path.samefile(add_file(source, tmp_path / "models", links=True), source)


@pytest.mark.skipif(sys.platform == "win32", reason="no hard link is made there")
def test_a_disk_without_links_takes_files_too(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError("links are not known here")

    monkeypatch.setattr(os, "link", refuse)
    source = write("Downloads/a.safetensors", shapes=VAE)
    assert add_file(source, tmp_path / "models").read_bytes() == source.read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_what_holds_something_unknown_needs_a_word_from_the_user(write: Write, tmp_path: Path) -> None:
    source = write("a.safetensors", shapes={"what": (1,)})
    with pytest.raises(ModelError) as failure:
        add_file(source, tmp_path / "models")
    assert failure.value.code == "unknown_model_kind"
    assert add_file(source, tmp_path / "models", "loras").parent.name == "loras"


def test_a_file_is_not_put_where_it_does_not_belong(write: Write, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="belongs in vae/") as failure:
        add_file(write("a.safetensors", shapes=VAE), tmp_path / "models", "loras")
    assert failure.value.code == "wrong_model_kind"


def test_a_folder_that_cannot_be_written_is_named(write: Write, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(ModelError) as failure:
        add_file(write("a.safetensors", shapes=VAE), tmp_path / "models")
    assert failure.value.code == "bad_folder"


def test_the_layout_that_is_there_is_kept(tmp_path: Path) -> None:
    assert place_for(tmp_path, "checkpoints") == tmp_path / "checkpoints"
    (tmp_path / "models" / "Stable-diffusion").mkdir(parents=True)
    assert place_for(tmp_path, "checkpoints") == tmp_path / "models" / "Stable-diffusion"
    assert place_for(tmp_path, "vae") == tmp_path / "models" / "vae"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.safetensors", "a.safetensors"),
        ("x/../../b.SFT", "b.safetensors"),
        ("C:\\x\\c.ckpt", "c.safetensors"),
        ("", "model.safetensors"),
        ("...", "model.safetensors"),
        ("nul", "model_nul.safetensors"),
        ("水彩 v2.safetensors", "水彩 v2.safetensors"),
        ("a\nb\0c", "a_b_c.safetensors"),
    ],
)
def test_names_become_plain(text: str, expected: str) -> None:
    assert file_name(text) == expected


def test_folders_of_a_name_never_lead_upwards() -> None:
    assert folders_in("sd15/../x/a.safetensors") == ("sd15", "x")
    assert folders_in("a.safetensors") == ()


# ---- folders that were added -----------------------------------------------------------------


def test_an_added_folder_is_searched_at_once(write: Write, tmp_path: Path) -> None:
    write("ComfyUI/models/vae/a.safetensors", shapes=VAE)
    registry = tmp_path / "settings" / "models.json"
    catalogue = Catalogue([registry])
    assert catalogue.names("vae") == []
    register(registry, ModelFolder(tmp_path / "ComfyUI"))
    register(registry, ModelFolder(tmp_path / "ComfyUI"))
    assert catalogue.names("vae") == ["a.safetensors"]
    assert len(read_registered(registry)) == 1
    unregister(registry, tmp_path / "ComfyUI")
    assert catalogue.names("vae") == []
    with pytest.raises(ModelError) as failure:
        unregister(registry, tmp_path / "ComfyUI")
    assert failure.value.code == "bad_folder"


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"folders": [{"path": "/a"},]}',
        "[" * 100_000,
        "[]",
        '{"folders": 3}',
        '{"folders": [{"path": "/a"}, {"path": 3}]}',
        '{"folders": [4]}',
        '{"folders": [{"path": "/a", "places": {"vae": "/b"}}]}',
        '{"folders": [{"path": "/a", "places": ["/b"]}]}',
    ],
)
def test_a_settings_file_that_makes_no_sense_is_left_as_it_is(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "models.json"
    file.write_text(text)
    for change in (lambda: register(file, ModelFolder(tmp_path)), lambda: unregister(file, Path("/a"))):
        with pytest.raises(ModelError) as failure:
            change()
        assert failure.value.code == "bad_model_list"
        assert "models add" in failure.value.hint
    assert file.read_text() == text
    catalogue = Catalogue([file, tmp_path])
    assert [folder.path for folder in catalogue.folders * 2] == [tmp_path] * 2
    assert [record.message for record in caplog.records] == [str(failure.value.problem)], "once"


def test_a_settings_file_that_cannot_be_read_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "models.json").mkdir()
    with pytest.raises(ModelError) as failure:
        register(tmp_path / "models.json", ModelFolder(tmp_path))
    assert failure.value.code == "bad_model_list"


def test_one_folder_too_many_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    folders = [{"path": f"/disk/{number}"} for number in range(MOST_FOLDERS)]
    file.write_text(json.dumps({"folders": folders}))
    with pytest.raises(ModelError, match="64 folders already"):
        register(file, ModelFolder(tmp_path))
    unregister(file, Path("/disk/3"))
    register(file, ModelFolder(tmp_path))
    register(file, ModelFolder(tmp_path))
    assert read_registered(file)[-1].path == tmp_path
    assert len(read_registered(file)) == MOST_FOLDERS


def test_a_folder_that_is_none_is_not_added(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        register(tmp_path / "models.json", ModelFolder(tmp_path / "nowhere"))
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError) as failure:
        register(tmp_path / "file" / "models.json", ModelFolder(tmp_path))
    assert failure.value.code == "bad_folder"


def test_the_settings_file_moves_with_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    assert registry_file() == tmp_path / "models.json"
    monkeypatch.delenv("FRAMEBRIDGE_HOME")
    assert registry_file().name == "models.json"


# ---- folders that are found ------------------------------------------------------------------


def test_folders_are_found_where_they_usually_lie(write: Write, tmp_path: Path) -> None:
    write("ComfyUI/models/checkpoints/a.safetensors", shapes=VAE)
    write("stable-diffusion-webui/models/Stable-diffusion/b.safetensors", shapes=VAE)
    write("stable-diffusion-webui/models/Lora/c.safetensors", shapes=VAE)
    (tmp_path / "comfyui" / "models" / "checkpoints").mkdir(parents=True)
    found = find_folders((), tmp_path, ())
    assert [(each.program, each.folder.path.name, each.models) for each in found] == [
        ("ComfyUI", "ComfyUI", 1),
        ("A1111", "stable-diffusion-webui", 2),
    ]
    assert found[0].to_json()["path"] == str(tmp_path / "ComfyUI")
    assert [each.program for each in find_folders([tmp_path / "ComfyUI"], tmp_path, ())] == ["A1111"]


def test_comfyuis_extra_paths_are_honoured(write: Write, tmp_path: Path) -> None:
    write("ComfyUI/models/checkpoints/a.safetensors", shapes=VAE)
    write("disk/weights/big/b.safetensors", shapes=VAE)
    write("disk/clips/one/c.safetensors", shapes=VAE)
    (tmp_path / "ComfyUI" / "extra_model_paths.yaml").write_text(
        f"other:\n  base_path: {tmp_path}/disk\n  checkpoints: weights\n  clip: |\n    clips\n    none\n"
        "  custom_nodes: x\nempty:\n"
    )
    found = find_folders((), tmp_path, ())
    assert [each.folder.path.name for each in found] == ["ComfyUI", "disk"]
    registry = tmp_path / "models.json"
    register(registry, found[1].folder)
    catalogue = Catalogue([registry])
    assert catalogue.names("checkpoints") == ["big/b.safetensors"]
    assert catalogue.names("text_encoders") == ["one/c.safetensors"]
    assert catalogue.find("clip", "one/c.safetensors").is_file()
    given = folder_at(tmp_path / "ComfyUI" / "extra_model_paths.yaml")
    assert set(given.places) == {"checkpoints", "text_encoders"}
    assert json.loads(registry.read_text())["folders"][0]["places"]["checkpoints"]


@pytest.mark.parametrize("text", ["a: [", "- 1", "a: 3", "\0", "a: {base_path: 5, checkpoints: [1]}"])
def test_extra_paths_that_make_no_sense_are_passed_over(text: str, write: Write, tmp_path: Path) -> None:
    write("ComfyUI/models/checkpoints/a.safetensors", shapes=VAE)
    (tmp_path / "ComfyUI" / "extra_model_paths.yaml").write_text(text)
    assert [each.folder.path.name for each in find_folders((), tmp_path, ())] == ["ComfyUI"]
