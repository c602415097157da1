"""Opening models by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from bridge.builtin import model_folder
from bridge.diffusion import (
    Autoencoder,
    DiffusionModel,
    TextEncoder,
    choose_placement,
    free,
    set_placement,
)
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError, ModelNotFound, UnsupportedModel
from bridge.models import Family
from bridge.nodes.loaders import (
    checkpoint_loader,
    clip_loader,
    dual_clip_loader,
    unet_loader,
    vae_loader,
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path / "models",)))


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    free()


def test_the_demo_checkpoint_is_always_there(job: Job) -> None:
    with running(job, "4"):
        model, clip, vae = checkpoint_loader("framebridge-demo")
    assert isinstance(model, DiffusionModel)
    assert isinstance(clip, TextEncoder)
    assert isinstance(vae, Autoencoder)
    assert not model.unet.is_loaded


def test_models_come_from_the_jobs_folders(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "vae" / "broken.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"<html>")
    with running(job, "4"), pytest.raises(ModelError, match="web page"):
        vae_loader("broken.safetensors")


def test_a_missing_checkpoint_is_said(job: Job) -> None:
    with running(job, "4"), pytest.raises(ModelNotFound, match="framebridge-demo"):
        checkpoint_loader("framebridge-dem")


def test_a_changed_file_is_opened_again(job: Job, tmp_path: Path) -> None:
    file = tmp_path / "models" / "checkpoints" / "a.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    with running(job, "4"):
        before = checkpoint_loader.node.fingerprint(ckpt_name="a.safetensors")
        assert checkpoint_loader.node.fingerprint(ckpt_name="a.safetensors") == before
        file.write_bytes(b"22")
        assert checkpoint_loader.node.fingerprint(ckpt_name="a.safetensors") != before


# ---- files that are kept apart -------------------------------------------------------------------------


def tower(width: int, prefix: str = "text_model.", **more: torch.Tensor) -> dict[str, torch.Tensor]:
    """A text tower of one layer and ten words, in transformers' names."""
    layer = f"{prefix}encoder.layers.0."
    named = {
        f"{prefix}embeddings.token_embedding.weight": (10, width),
        f"{prefix}embeddings.position_embedding.weight": (77, width),
        **{f"{layer}self_attn.{part}_proj.weight": (width, width) for part in ("q", "k", "v", "out")},
        **{f"{layer}self_attn.{part}_proj.bias": (width,) for part in ("q", "k", "v", "out")},
        f"{layer}mlp.fc1.weight": (8, width),
        f"{layer}mlp.fc1.bias": (8,),
        f"{layer}mlp.fc2.weight": (width, 8),
        f"{layer}mlp.fc2.bias": (width,),
        **{
            f"{place}.{kind}": (width,)
            for place in (f"{layer}layer_norm1", f"{layer}layer_norm2", f"{prefix}final_layer_norm")
            for kind in ("weight", "bias")
        },
    }
    return {name: torch.randn(shape) for name, shape in named.items()} | more


@pytest.fixture
def towers(tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "models" / "text_encoders"
    folder.mkdir(parents=True)
    widths = {"l": 768, "h": 1024, "g": 1280}
    for name, width in widths.items():
        more = {"text_projection.weight": torch.randn(width, width)} if name == "g" else {}
        save_file(tower(width, **more), folder / f"{name}.safetensors")
    return {name: f"{name}.safetensors" for name in widths}


@pytest.mark.parametrize(
    ("name", "family"), [("l", Family.SD1), ("h", Family.SD2), ("g", Family.SDXL_REFINER)]
)
def test_a_text_encoder_is_told_by_its_width(
    job: Job, towers: dict[str, str], name: str, family: Family
) -> None:
    with running(job, "4"):
        clip = clip_loader(towers[name], "stable_diffusion")
    assert clip.family is family
    network = clip.towers[0].network.module()
    assert hasattr(network, "text_projection") == (name == "g")


@pytest.mark.parametrize("order", ["lg", "gl"])
def test_two_text_encoders_make_sdxls_in_any_order(job: Job, towers: dict[str, str], order: str) -> None:
    with running(job, "4"):
        clip = dual_clip_loader(towers[order[0]], towers[order[1]], "sdxl", "cpu")
    assert clip.family is Family.SDXL
    assert [tower.kind for tower in clip.towers] == ["clip_l", "clip_g"]
    everywhere = choose_placement("cpu", "bfloat16")
    try:
        set_placement(everywhere)
        assert all(tower.network.placement == everywhere.on_cpu() for tower in clip.towers)
    finally:
        set_placement(everywhere.on_cpu())


@pytest.mark.parametrize("loader", [clip_loader, dual_clip_loader])
def test_workflows_from_before_the_device_could_be_chosen_still_load(loader: Any) -> None:
    entry = loader.node.definition.input("device")
    assert not entry.is_required


def test_text_encoders_that_do_not_go_together_are_named(job: Job, towers: dict[str, str]) -> None:
    with running(job, "4"), pytest.raises(UnsupportedModel, match="clip_l and clip_h"):
        dual_clip_loader(towers["h"], towers["l"], "sdxl")


def test_another_type_of_text_encoder_is_refused_by_name(job: Job, towers: dict[str, str]) -> None:
    with running(job, "4"), pytest.raises(UnsupportedModel, match="hidream"):
        clip_loader(towers["l"], "hidream")


def test_a_vae_is_no_diffusion_model(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "diffusion_models"
    folder.mkdir(parents=True)
    source = model_folder() / "vae" / "diffusion_pytorch_model.safetensors"
    (folder / "vae.safetensors").write_bytes(source.read_bytes())
    with running(job, "4"), pytest.raises(ModelError, match="looks like a VAE"):
        unet_loader("vae.safetensors", "default")
