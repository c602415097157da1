"""Which models lie where, and that no name leads elsewhere."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ModelError, ModelNotFound
from bridge.models import Catalogue


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def diffusers_folder(path: Path) -> Path:
    touch(path / "unet" / "diffusion_pytorch_model.safetensors")
    (path / "model_index.json").write_text("{}")
    return path


def test_a_comfyui_folder_or_its_models_folder(tmp_path: Path) -> None:
    touch(tmp_path / "models" / "checkpoints" / "a.safetensors")
    touch(tmp_path / "models" / "checkpoints" / "sd15" / "b.safetensors")
    for root in (tmp_path, tmp_path / "models"):
        assert Catalogue([root]).names("checkpoints") == ["a.safetensors", "sd15/b.safetensors"]


def test_an_a1111_folder(tmp_path: Path) -> None:
    for place in (
        "models/Stable-diffusion/a.safetensors",
        "models/Lora/b.safetensors",
        "models/VAE/c.safetensors",
        "models/ControlNet/d.safetensors",
        "embeddings/e.safetensors",
    ):
        touch(tmp_path / place)
    catalogue = Catalogue([tmp_path])
    for folder, name in zip(
        ("checkpoints", "loras", "vae", "controlnet", "embeddings"), "abcde", strict=True
    ):
        assert catalogue.names(folder) == [f"{name}.safetensors"]


def test_comfyuis_other_names_of_folders(tmp_path: Path) -> None:
    touch(tmp_path / "clip" / "a.safetensors")
    touch(tmp_path / "text_encoders" / "b.safetensors")
    catalogue = Catalogue([tmp_path])
    assert catalogue.names("clip") == catalogue.names("text_encoders") == ["a.safetensors", "b.safetensors"]


def test_ip_adapters_lie_where_node_packs_have_them(tmp_path: Path) -> None:
    for place in ("ipadapter/a", "ipadapter-flux/b", "xlabs/ipadapters/c", "xlabs/loras/d"):
        touch(tmp_path / f"{place}.safetensors")
    catalogue = Catalogue([tmp_path])
    assert catalogue.names("ipadapter") == [f"{name}.safetensors" for name in "abc"]
    assert catalogue.names("ipadapter-flux") == [f"{name}.safetensors" for name in "ab"]
    assert catalogue.names("xlabs_ipadapters") == [f"{name}.safetensors" for name in "ac"]


def test_a_diffusers_folder_is_one_model(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "checkpoints" / "sd" / "mine")
    catalogue = Catalogue([tmp_path])
    assert catalogue.names("checkpoints") == ["sd/mine"]
    assert catalogue.find("checkpoints", "sd/mine") == folder


def test_only_safetensors_are_listed_whatever_their_case(tmp_path: Path) -> None:
    for name in ("a.SAFETENSORS", "b.ckpt", "c.pt", "d.txt", ".hidden/e.safetensors"):
        touch(tmp_path / "checkpoints" / name)
    assert Catalogue([tmp_path]).names("checkpoints") == ["a.SAFETENSORS"]


def test_the_first_root_wins(tmp_path: Path) -> None:
    first = touch(tmp_path / "1" / "vae" / "a.safetensors")
    touch(tmp_path / "2" / "vae" / "a.safetensors")
    touch(tmp_path / "2" / "vae" / "b.safetensors")
    catalogue = Catalogue([tmp_path / "1", tmp_path / "2"])
    assert catalogue.names("vae") == ["a.safetensors", "b.safetensors"]
    assert catalogue.find("vae", "a.safetensors") == first


def test_new_files_appear_at_once(tmp_path: Path) -> None:
    catalogue = Catalogue([tmp_path])
    assert catalogue.names("vae") == []
    touch(tmp_path / "vae" / "a.safetensors")
    assert catalogue.names("vae") == ["a.safetensors"]


def test_a_root_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert Catalogue([tmp_path / "gone"]).names("checkpoints") == []


def test_an_unknown_kind_has_no_models(tmp_path: Path) -> None:
    assert Catalogue([tmp_path]).names("input") == []


def test_a_missing_model_names_the_nearest(tmp_path: Path) -> None:
    touch(tmp_path / "checkpoints" / "juggernautXL_v9.safetensors")
    with pytest.raises(ModelNotFound, match=r'nearest: "juggernautXL_v9\.safetensors"') as caught:
        Catalogue([tmp_path]).find("checkpoints", "juggernaut.safetensors")
    assert caught.value.code == "model_not_found"
    with pytest.raises(ModelNotFound) as caught:
        Catalogue([]).find("checkpoints", "x.safetensors")
    assert "--models" in caught.value.hint


def test_windows_separators_are_understood(tmp_path: Path) -> None:
    file = touch(tmp_path / "loras" / "style" / "a.safetensors")
    assert Catalogue([tmp_path]).find("loras", "style\\a.safetensors") == file


def test_the_demo_model_has_names_of_its_own(tmp_path: Path) -> None:
    demo = diffusers_folder(tmp_path / "demo")
    touch(demo / "controlnet_depth" / "diffusion_pytorch_model.safetensors")
    touch(tmp_path / "user" / "checkpoints" / "framebridge-demo")
    catalogue = Catalogue([tmp_path / "user"], demo)
    assert catalogue.names("checkpoints") == ["framebridge-demo"]
    assert catalogue.find("checkpoints", "framebridge-demo") == demo
    assert catalogue.names("controlnet") == ["framebridge-demo-canny", "framebridge-demo-depth"]
    assert catalogue.find("controlnet", "framebridge-demo-depth") == demo / "controlnet_depth"
    assert catalogue.names("vae") == ["pixel_space"]


BAD_NAMES = [
    "../secret.safetensors",
    "a/../../secret.safetensors",
    "..\\secret.safetensors",
    "",
    ".",
    "/",
    "C:x",
    "a\0b",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_never_lead_out(tmp_path: Path, name: str) -> None:
    touch(tmp_path / "secret.safetensors")
    touch(tmp_path / "checkpoints" / "a.safetensors")
    with pytest.raises(ModelError) as caught:
        Catalogue([tmp_path]).find("checkpoints", name)
    assert caught.value.code == "bad_path"


@pytest.mark.parametrize("name", ["v1: a.safetensors", "a\x1b.safetensors", "aux.safetensors", "a./b"])
def test_odd_names_are_not_said_to_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="is not a name that a model can have") as caught:
        Catalogue([tmp_path]).find("checkpoints", name)
    assert caught.value.hint.startswith("Rename it")


@pytest.mark.parametrize("name", ["../a", "a/../../b", "..\\a", "/a", "\\a", "C:\\a", "//host/a"])
def test_names_that_lead_out_are_said_to(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="leads out"):
        Catalogue([tmp_path]).find("checkpoints", name)


def test_absolute_names_are_refused(tmp_path: Path) -> None:
    file = touch(tmp_path / "checkpoints" / "a.safetensors")
    with pytest.raises(ModelError) as caught:
        Catalogue([tmp_path]).find("checkpoints", str(file))
    assert caught.value.code == "bad_path"


@given(st.text(alphabet="ab./\\:~%\0 ", max_size=20))
def test_whatever_is_found_lies_inside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp() / "roots"
    touch(root / "checkpoints" / "a")
    touch(root / "checkpoints" / "b" / "a")
    touch(root / "a")
    try:
        found = Catalogue([root]).find("checkpoints", name)
    except ModelError:
        return
    assert found.is_relative_to(root / "checkpoints")


def test_a_link_that_leaves_is_refused_and_not_listed(tmp_path: Path) -> None:
    secret = touch(tmp_path / "secret.safetensors")
    root = tmp_path / "models"
    link = root / "checkpoints" / "link.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(secret)
    catalogue = Catalogue([root])
    assert catalogue.names("checkpoints") == []
    with pytest.raises(ModelError) as caught:
        catalogue.find("checkpoints", "link.safetensors")
    assert caught.value.code == "bad_path"


def test_a_kinds_folder_may_be_a_link(tmp_path: Path) -> None:
    """Many users keep their checkpoints on another disk."""
    file = touch(tmp_path / "disk" / "a.safetensors")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "checkpoints").symlink_to(tmp_path / "disk")
    catalogue = Catalogue([tmp_path])
    assert catalogue.names("checkpoints") == ["a.safetensors"]
    assert catalogue.find("checkpoints", "a.safetensors") == file


def test_a_link_from_one_kind_to_another_is_fine(tmp_path: Path) -> None:
    file = touch(tmp_path / "checkpoints" / "a.safetensors")
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "a.safetensors").symlink_to(file)
    assert Catalogue([tmp_path]).names("vae") == ["a.safetensors"]


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    file = touch(tmp_path / "vae" / "a.safetensors")
    catalogue = Catalogue([tmp_path])
    before = catalogue.stamp("vae", "a.safetensors")
    assert catalogue.stamp("vae", "a.safetensors") == before
    replacement = tmp_path / "new"
    replacement.write_bytes(b"WEIGHTS")
    replacement.replace(file)
    assert catalogue.stamp("vae", "a.safetensors") != before


def test_a_stamp_sees_into_diffusers_folders(tmp_path: Path) -> None:
    folder = diffusers_folder(tmp_path / "checkpoints" / "mine")
    catalogue = Catalogue([tmp_path])
    before = catalogue.stamp("checkpoints", "mine")
    (folder / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"other weights")
    assert catalogue.stamp("checkpoints", "mine") != before


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    names = "a.safetensors", "b.safetensors"
    for name in names:
        touch(tmp_path / "vae" / name)
    catalogue = Catalogue([tmp_path])
    assert catalogue.digest("vae", names[0]) == catalogue.digest("vae", names[1])


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_to_itself_hides_no_other_model(tmp_path):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "good.safetensors").touch()
    (folder / "loop.safetensors").symlink_to("loop.safetensors")
    catalogue = Catalogue([tmp_path], None)
    assert "good.safetensors" in catalogue.names("checkpoints")
    assert catalogue.find("checkpoints", "good.safetensors") == folder / "good.safetensors"
    with pytest.raises(ModelNotFound):
        catalogue.find("checkpoints", "loop.safetensors")


def test_taesd_is_found_where_both_its_files_are(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "vae_approx"
    catalogue = Catalogue([tmp_path])
    encoder, decoder = touch(folder / "taesd_encoder.safetensors"), folder / "taesd_decoder.safetensors"
    assert catalogue.names("vae") == []
    touch(decoder)
    assert catalogue.names("vae") == ["taesd"]
    assert catalogue.find("vae", "taesd") == encoder
    before = catalogue.stamp("vae", "taesd"), catalogue.digest("vae", "taesd")
    decoder.write_bytes(b"another")
    assert catalogue.stamp("vae", "taesd") != before[0]
    assert catalogue.digest("vae", "taesd") != before[1]
