"""From files and folders to networks."""

import copy
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bridge.builtin import model_folder
from bridge.diffusion import (
    choose_placement,
    encode_prompt,
    load_autoencoder,
    load_checkpoint,
    load_controlnet,
    load_denoiser,
    placement,
    set_placement,
)
from bridge.diffusion import networks as networks_module
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Family


@pytest.fixture(scope="module")
def networks(ldm: Any) -> dict[str, Any]:
    """Tiny networks with weights; float16 numbers, so that files of either precision hold them."""
    made = {
        "unet": networks_module.empty_unet({**ldm.UNET, "layers_per_block": 1}),
        "vae": networks_module.empty_autoencoder(ldm.AUTOENCODER),
        "fine_vae": networks_module.empty_autoencoder(ldm.FINE_AUTOENCODER),
        "text": networks_module.empty_text_tower(ldm.TEXT),
        "control": networks_module.empty_controlnet({**ldm.CONTROLNET, "layers_per_block": 1}),
        "fine_control": networks_module.empty_controlnet(
            {**ldm.CONTROLNET, "layers_per_block": 1, "conditioning_embedding_out_channels": (4, 8, 8)}
        ),
    }
    generator = torch.Generator().manual_seed(0)
    for module in made.values():
        module.to_empty(device="cpu")
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator) / max(parameter[0].numel(), 4) ** 0.5
            parameter.data = noise.half().float()
    return made


@pytest.fixture
def checkpoint(tmp_path: Path, ldm: Any, networks: dict[str, Any]) -> Path:
    file = tmp_path / "tiny.safetensors"
    ldm.write_checkpoint(file, networks["unet"], networks["vae"], networks["text"])
    return file


def assert_same(module: Any, expected: Any) -> None:
    state = module.state_dict()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(state[name], tensor)


def test_a_single_file_gives_all_three_networks(checkpoint: Path, networks: dict[str, Any]) -> None:
    model, clip, vae = load_checkpoint(checkpoint, "tiny")
    assert_same(model.unet.module(), networks["unet"])
    assert_same(clip.towers[0].network.module(), networks["text"])
    assert_same(vae.network.module(), networks["vae"])
    assert model.unet.module().config["attention_head_dim"] == 8
    assert model.schedule.prediction == "epsilon"
    assert model.vae is vae
    assert encode_prompt(clip, "a cat").prompt_embeds.shape == (1, 77, 64)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files_run_in_the_placements_precision(
    tmp_path: Path, ldm: Any, networks: dict[str, Any], dtype: torch.dtype
) -> None:
    file = tmp_path / "half.safetensors"
    halves = {name: copy.deepcopy(networks[name]).to(dtype) for name in ("unet", "vae", "text")}
    ldm.write_checkpoint(file, *halves.values())
    model, clip, vae = load_checkpoint(file, "half")
    assert {each.network.module().dtype for each in (clip.towers[0], vae)} == {torch.float32}
    assert_same(model.unet.module(), halves["unet"].float())


def test_other_placements_load_other_precisions(checkpoint: Path) -> None:
    before = placement()
    model, _, vae = load_checkpoint(checkpoint, "tiny")
    try:
        set_placement(choose_placement("cpu", "bfloat16"))
        assert model.unet.module().dtype == torch.bfloat16
        assert vae.network.module().dtype == torch.bfloat16
    finally:
        set_placement(before)


def test_nothing_depends_on_the_file_once_loaded(checkpoint: Path, networks: dict[str, Any]) -> None:
    model, _, _ = load_checkpoint(checkpoint, "tiny")
    unet = model.unet.module()
    checkpoint.write_bytes(b"\0" * checkpoint.stat().st_size)
    assert_same(unet, networks["unet"])


def test_a_file_that_went_bad_is_an_error_not_a_crash(checkpoint: Path) -> None:
    model, _, _ = load_checkpoint(checkpoint, "tiny")
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(ModelError) as caught:
        model.unet.module()
    assert caught.value.code == "model_corrupt"


def test_marks_of_v_prediction_and_zero_snr(tmp_path: Path, ldm: Any, networks: dict[str, Any]) -> None:
    file = tmp_path / "v.safetensors"
    marks = {"v_pred": torch.tensor([]), "ztsnr": torch.tensor([])}
    ldm.write_checkpoint(file, networks["unet"], networks["vae"], networks["text"], **marks)
    model, _, _ = load_checkpoint(file, "v")
    assert model.schedule.prediction == "v_prediction"
    assert model.schedule.sigma_max > 4000


def test_a_checkpoint_without_vae_says_so_when_it_is_used(
    tmp_path: Path, ldm: Any, networks: dict[str, Any]
) -> None:
    file = tmp_path / "pruned.safetensors"
    ldm.write_checkpoint(file, networks["unet"], None, None)
    model, clip, vae = load_checkpoint(file, "pruned")
    assert model.vae is None
    assert model.latent_factor == vae.latent_factor == 8
    model.unet.module()
    with pytest.raises(ModelError, match="brings no VAE") as caught:
        vae.network.module()
    assert "VAELoader" in caught.value.hint
    with pytest.raises(ModelError, match="brings no text encoder"):
        encode_prompt(clip, "a cat")


def test_a_missing_tensor_is_named(tmp_path: Path, ldm: Any, networks: dict[str, Any]) -> None:
    file = tmp_path / "holey.safetensors"
    ldm.write_checkpoint(file, networks["unet"], networks["vae"], networks["text"])
    tensors = load_file(file)
    del tensors["model.diffusion_model.middle_block.1.norm.bias"]
    save_file(tensors, file)
    with pytest.raises(ModelError, match=r"middle_block\.1\.norm\.bias") as caught:
        load_checkpoint(file, "holey")
    assert caught.value.code == "model_corrupt"


@pytest.mark.parametrize(("kind", "factor"), [("control", 8), ("fine_control", 4)])
def test_a_controlnet_in_either_style(
    tmp_path: Path, ldm: Any, networks: dict[str, Any], kind: str, factor: int
) -> None:
    network = networks[kind]
    original = ldm.unet_state(network, 1)
    styles = {
        "prefixed": {f"control_model.{key}": tensor for key, tensor in original.items()},
        "bare": original,
        "diffusers": network.state_dict(),
    }
    for style, tensors in styles.items():
        file = tmp_path / f"{style}.safetensors"
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
        module = load_controlnet(file, style).network.module()
        encoder, rest = network.controlnet_cond_embedding, module.network.state_dict()
        assert_same(module.picture_encoder, encoder)
        assert networks_module.control_factor(module.config) == factor
        for name, tensor in rest.items():
            torch.testing.assert_close(tensor, network.state_dict()[name])


@pytest.mark.parametrize(("kind", "factor"), [("vae", 8), ("fine_vae", 4)])
def test_a_vae_in_any_style(
    tmp_path: Path, ldm: Any, networks: dict[str, Any], kind: str, factor: int
) -> None:
    vae = networks[kind]
    old = {
        key.replace("to_q", "query")
        .replace("to_k", "key")
        .replace("to_v", "value")
        .replace("to_out.0", "proj_attn"): t
        for key, t in vae.state_dict().items()
    }
    styles = {"ldm": ldm.autoencoder_state(vae), "diffusers": vae.state_dict(), "old": old}
    for style, tensors in styles.items():
        save_file(
            {key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / f"{style}.safetensors"
        )
    checkpoint, folder = tmp_path / "checkpoint.safetensors", tmp_path / "folder"
    ldm.write_checkpoint(checkpoint, networks["unet"], vae, None)
    vae.save_pretrained(folder)
    for path in (*(tmp_path / f"{style}.safetensors" for style in styles), checkpoint, folder):
        loaded = load_autoencoder(path, path.name)
        assert loaded.latent_factor == factor
        assert not loaded.network.is_loaded
        assert_same(loaded.network.module(), vae)
    model, _, inside = load_checkpoint(checkpoint, "checkpoint")
    assert model.latent_factor == inside.latent_factor == factor


@pytest.mark.parametrize(
    ("load", "what"),
    [(load_checkpoint, "a VAE"), (load_controlnet, "a VAE")],
    ids=["checkpoint", "controlnet"],
)
def test_a_vae_in_another_slot_is_named(
    tmp_path: Path, networks: dict[str, Any], load: Callable[..., Any], what: str
) -> None:
    file = tmp_path / "kl.safetensors"
    save_file(networks["vae"].state_dict(), file)
    with pytest.raises(ModelError, match=what) as caught:
        load(file, "kl")
    assert caught.value.code == "wrong_model_kind"


def test_the_demo_folder_loads(tmp_path: Path) -> None:
    model, clip, vae = load_checkpoint(model_folder(), "demo")
    assert model.schedule.prediction == "v_prediction"
    assert model.scaling_factor == pytest.approx(0.18215)
    assert model.latent_factor == vae.latent_factor
    assert sum(p.numel() for p in model.unet.module().parameters()) > 1_000_000
    assert encode_prompt(clip, "toon").prompt_embeds.shape[:2] == (1, 77)
    vae.network.module()
    for name in ("controlnet_depth", "controlnet_canny"):
        load_controlnet(model_folder() / name, name).network.module()
    assert_same(load_autoencoder(model_folder(), "demo").network.module(), vae.network.module())


@pytest.fixture
def demo_copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder(), tmp_path / "demo"))


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_folder_of_another_family_is_refused(demo_copy: Path) -> None:
    edit(demo_copy / "unet" / "config.json", addition_embed_type="text_time")
    with pytest.raises(UnsupportedModel, match="addition_time_embed_dim"):
        load_checkpoint(demo_copy, "xl")


def test_a_vae_folder_may_leave_out_what_is_usual(demo_copy: Path) -> None:
    file = demo_copy / "vae" / "config.json"
    config = json.loads(file.read_text())
    del config["latent_channels"]
    file.write_text(json.dumps(config))
    assert load_autoencoder(demo_copy, "demo").latent_channels == 4


def test_a_folder_with_pickles_only_is_refused(demo_copy: Path) -> None:
    weights = demo_copy / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError) as caught:
        load_checkpoint(demo_copy, "demo")
    assert caught.value.code == "unsafe_model"


def test_a_network_in_several_files_loads(tmp_path: Path, networks: dict[str, Any]) -> None:
    networks["unet"].save_pretrained(tmp_path / "unet", max_shard_size="200KB")
    assert len(list((tmp_path / "unet").glob("*-of-*.safetensors"))) > 1
    assert_same(load_denoiser(tmp_path, "split").unet.module(), networks["unet"])


def test_a_missing_file_of_several_is_named(tmp_path: Path, networks: dict[str, Any]) -> None:
    networks["unet"].save_pretrained(tmp_path / "unet", max_shard_size="200KB")
    lost = max((tmp_path / "unet").glob("*-of-*.safetensors"))
    lost.unlink()
    with pytest.raises(ModelError, match=lost.name) as caught:
        load_denoiser(tmp_path, "split")
    assert caught.value.hint == "Download all files of the model."


def test_loading_never_touches_the_network(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for path in (checkpoint, model_folder()):
        model, clip, vae = load_checkpoint(path, "any")
        model.unet.module()
        vae.network.module()
        encode_prompt(clip, "a cat")


@pytest.mark.parametrize("is_ldm", [True, False])
def test_a_denoiser_apart_in_either_style(
    tmp_path: Path, ldm: Any, networks: dict[str, Any], is_ldm: bool
) -> None:
    unet = networks["unet"]
    save_file(ldm.unet_state(unet, 1) if is_ldm else unet.state_dict(), tmp_path / "unet.safetensors")
    model = load_denoiser(tmp_path / "unet.safetensors", "unet")
    assert_same(model.unet.module(), unet)
    assert model.vae is None


SLIM = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (32, 64),
    "cross_attention_dim": 64,
    "attention_head_dim": (1, 1),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 1600,
    "transformer_layers_per_block": (1, (2, 2)),
}
"""Of SDXL's kind, made smaller as SSD-1B and KOALA-700M were."""


@pytest.mark.parametrize("kind", ["ldm", "diffusers", "folder"])
@pytest.mark.parametrize(
    "more",
    [
        {"mid_block_type": "UNetMidBlock2D", "reverse_transformer_layers_per_block": ((2, 3, 1), 1)},
        {"mid_block_type": None, "reverse_transformer_layers_per_block": ((2, 2, 2), 1)},
    ],
    ids=["ssd", "koala"],
)
def test_a_denoiser_with_less_of_a_middle_opens_in_any_style(
    tmp_path: Path, ldm: Any, kind: str, more: dict[str, Any]
) -> None:
    unet = networks_module.empty_unet(SLIM | more).to_empty(device="cpu")
    for seed, parameter in enumerate(unet.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    if kind == "folder":
        unet.save_pretrained(tmp_path / "slim" / "unet")
    else:
        save_file(ldm.unet_state(unet, 2) if kind == "ldm" else unet.state_dict(), tmp_path / "slim")
    model = load_denoiser(tmp_path / "slim", "slim")
    assert model.family is Family.SDXL
    assert model.unet.module().state_dict().keys() == unet.state_dict().keys()
    assert_same(model.unet.module(), unet)


@pytest.mark.parametrize(
    "changes", [{"block_out_channels": [32]}, {"block_out_channels": [33, 50, 64]}, {"norm_num_groups": 0}]
)
def test_a_configuration_that_contradicts_itself_is_said(demo_copy: Path, changes: dict[str, Any]) -> None:
    edit(demo_copy / "unet" / "config.json", **changes)
    with pytest.raises(ModelError, match=r'checkpoint "demo" is described') as caught:
        load_checkpoint(demo_copy, "demo")
    assert caught.value.code == "model_corrupt"


def test_eight_bits_halve_the_memory_and_change_little(
    tmp_path: Path, ldm: Any, networks: dict[str, Any]
) -> None:
    save_file(networks["unet"].state_dict(), tmp_path / "unet.safetensors")
    full = load_denoiser(tmp_path / "unet.safetensors", "unet").unet
    small = load_denoiser(tmp_path / "unet.safetensors", "unet", "fp8_e4m3fn").unet
    inputs = torch.randn(1, 4, 8, 8), torch.tensor([500]), torch.randn(1, 77, 64)
    expected, found = full.module()(*inputs).sample, small.module()(*inputs).sample
    assert 0 < (found - expected).norm() / expected.norm() < 0.1
    assert small.weight_bytes < 0.4 * full.weight_bytes
    assert small.weight_bytes == small.new_bytes


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_said_by_name(
    tmp_path: Path, networks: dict[str, Any], value: float
) -> None:
    state = {name: tensor.clone() for name, tensor in networks["unet"].state_dict().items()}
    state["conv_in.weight"][0, 0, 0, 0] = value
    save_file(state, tmp_path / "broken.safetensors")
    model = load_denoiser(tmp_path / "broken.safetensors", "broken")
    with pytest.raises(ModelError, match=r'broken.safetensors" holds values that are no .*"conv_in.weight"'):
        model.unet.module()


@pytest.mark.parametrize(("spread", "prediction"), [(0.2, "v_prediction"), (0.05, "epsilon")])
@pytest.mark.parametrize("is_ldm", [True, False])
def test_a_weight_of_sd2_tells_what_it_predicts(
    tmp_path: Path, ldm: Any, is_ldm: bool, spread: float, prediction: str
) -> None:
    config = {
        "block_out_channels": (32,) * 4,
        "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        "layers_per_block": 2,
        "cross_attention_dim": 64,
        "use_linear_projection": True,
    }
    unet = networks_module.empty_unet(config).to_empty(device="cpu")
    for parameter in unet.parameters():
        torch.nn.init.normal_(parameter, std=0.01)
    last = unet.up_blocks[3].attentions[2].transformer_blocks[0].norm1.bias
    torch.nn.init.normal_(last, std=spread, generator=torch.Generator().manual_seed(0))
    save_file(ldm.unet_state(unet, 2) if is_ldm else unet.state_dict(), tmp_path / "sd2.safetensors")
    assert load_denoiser(tmp_path / "sd2.safetensors", "sd2").schedule.prediction == prediction
