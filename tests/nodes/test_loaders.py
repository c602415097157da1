"""Opening models by name."""

import os
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
from bridge.diffusion.residency import loaded_networks
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError, ModelNotFound, UnsupportedModel
from bridge.models import Family
from bridge.nodes.loaders import (
    checkpoint_loader,
    clip_loader,
    dual_clip_loader,
    triple_clip_loader,
    unet_loader,
    vae_loader,
)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (tmp_path / "models",)))


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    if loaded_networks():  # collecting garbage for nothing takes a second
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


@pytest.fixture(scope="module")
def written_towers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("towers")
    for name, width in {"l": 768, "h": 1024, "g": 1280}.items():
        more = {"text_projection.weight": torch.randn(width, width)} if name == "g" else {}
        save_file(tower(width, **more), folder / f"{name}.safetensors")
    save_file(t5(), folder / "t5.safetensors")
    return folder


@pytest.fixture
def towers(written_towers: Path, tmp_path: Path) -> dict[str, str]:
    folder = tmp_path / "models" / "text_encoders"
    folder.mkdir(parents=True)
    for file in written_towers.iterdir():
        os.link(file, folder / file.name)
    return {name: f"{name}.safetensors" for name in ("l", "h", "g", "t5")}


def t5(width: int = 64) -> dict[str, torch.Tensor]:
    """T5's encoder of one layer and ten words."""
    attention, gated = "encoder.block.0.layer.0.", "encoder.block.0.layer.1."
    shapes = {
        "shared.weight": (10, width),
        **{f"{attention}SelfAttention.{part}.weight": (32, width) for part in "qkv"},
        f"{attention}SelfAttention.o.weight": (width, 32),
        f"{attention}SelfAttention.relative_attention_bias.weight": (32, 4),
        f"{attention}layer_norm.weight": (width,),
        **{f"{gated}DenseReluDense.{part}.weight": (8, width) for part in ("wi_0", "wi_1")},
        f"{gated}DenseReluDense.wo.weight": (width, 8),
        f"{gated}layer_norm.weight": (width,),
        "encoder.final_layer_norm.weight": (width,),
    }
    return {name: torch.randn(shape) for name, shape in shapes.items()}


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


@pytest.mark.parametrize("names", ["t5 g l", "l g t5"])
def test_three_text_encoders_make_sd3s_in_any_order(job: Job, towers: dict[str, str], names: str) -> None:
    with running(job, "4"):
        clip = triple_clip_loader(*(towers[name] for name in names.split()))
    assert clip.family is Family.SD3
    assert [tower.kind for tower in clip.towers] == ["clip_l", "clip_g", "t5xxl"]


@pytest.mark.parametrize(
    ("names", "type", "family", "kinds"),
    [
        ("t5 l", "flux", Family.FLUX, ["clip_l", "t5xxl"]),
        ("t5 l", "sd3", Family.SD3, ["clip_l", "t5xxl"]),
        ("g t5", "sd3", Family.SD3, ["clip_g", "t5xxl"]),
        ("l g", "sd3", Family.SD3, ["clip_l", "clip_g"]),
    ],
)
def test_two_text_encoders_are_what_their_type_says(
    job: Job, towers: dict[str, str], names: str, type: str, family: Family, kinds: list[str]
) -> None:
    with running(job, "4"):
        clip = dual_clip_loader(*(towers[name] for name in names.split()), type)
    assert clip.family is family
    assert [tower.kind for tower in clip.towers] == kinds


@pytest.mark.parametrize(
    ("name", "type", "family"),
    [
        ("l", "sd3", Family.SD3),
        ("g", "sd3", Family.SD3),
        ("t5", "sd3", Family.SD3),
        ("t5", "pixart", Family.PIXART_ALPHA),
    ],
)
def test_one_text_encoder_is_what_its_type_says(
    job: Job, towers: dict[str, str], name: str, type: str, family: Family
) -> None:
    with running(job, "4"):
        assert clip_loader(towers[name], type).family is family


@pytest.mark.parametrize(
    ("names", "type", "message", "hint"),
    [
        (["t5"], "stable_diffusion", "is t5xxl; .* are clip_l, clip_h or clip_g$", '"sd3" or "pixart"'),
        (["l"], "pixart", "is clip_l; .* are t5xxl: t5xxl is missing", '"stable_diffusion" or "sd3"'),
        (["l", "t5"], "sdxl", "are clip_l and clip_g: clip_g is missing", '"sd3" or "flux"'),
        (["g", "l"], "flux", "is clip_g and .* is clip_l; .*: t5xxl is missing", '"sdxl" or "sd3"'),
        (["h", "l"], "sdxl", "is clip_h and .* is clip_l; .*: clip_g is missing", "clip_g.safetensors"),
        (["l", "l"], "flux", "are clip_l and t5xxl: t5xxl is missing", "t5xxl_fp16.safetensors or the like"),
        (["t5", "t5"], "flux", "clip_l is missing", "clip_l.safetensors or the like"),
        (["l", "l"], "sd3", "any of clip_l, clip_g and t5xxl, each once$", "other files"),
    ],
)
def test_text_encoders_that_do_not_fit_are_told_what_they_are_and_what_is_missing(
    job: Job, towers: dict[str, str], names: list[str], type: str, message: str, hint: str
) -> None:
    load = clip_loader if len(names) == 1 else dual_clip_loader
    with running(job, "4"), pytest.raises(UnsupportedModel, match=message) as caught:
        load(*(towers[name] for name in names), type)
    assert hint in caught.value.hint


@pytest.mark.parametrize("loader", [clip_loader, dual_clip_loader])
def test_workflows_from_before_the_device_could_be_chosen_still_load(loader: Any) -> None:
    entry = loader.node.definition.input("device")
    assert not entry.is_required


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
