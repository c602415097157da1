"""The nodes of XLabs and InstantX for IP-Adapters on Flux, on files in the published layouts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.numpy import save_file

from bridge.diffusion import DiffusionModel, Network, free
from bridge.diffusion.flow import flow_schedule
from bridge.engine import Folders, Job, running
from bridge.errors import BridgeError, ModelError, ModelNotFound
from bridge.models import Family
from bridge.nodes.clip_vision import clip_vision_loader
from bridge.nodes.flux_ip_adapter import (
    apply_flux_ip_adapter,
    apply_ip_adapter_flux,
    ip_adapter_flux_loader,
    load_flux_ip_adapter,
    siglip_stamp,
)
from bridge.nodes.ip_adapter import ip_adapter_advanced, ip_adapter_model_loader
from tests.diffusion import vision_weights

SIGLIP_WIDTH, WIDTH, CONTEXT = 1152, 32, 12
IMAGE = torch.rand(2, 40, 50, 3, generator=torch.Generator().manual_seed(1))
SIGLIP: Any = "google/siglip-so400m-patch14-384"
ADVANCED: Any = {"weight_type": "linear", "combine_embeds": "concat", "embeds_scaling": "V only"}


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    free()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder as the packs' users have it."""
    root: Path = tmp_path_factory.mktemp("models")
    write(root / "clip_vision/a-clip.safetensors", vision_weights.transformers_state())
    write(root / "clip_vision/sigclip.safetensors", siglip())
    pooled = vision_weights.PROJECTION
    xlabs = {
        **linear("ip_adapter_proj_model.proj", 4 * CONTEXT, pooled),
        **linear("ip_adapter_proj_model.norm", CONTEXT),
    }
    for part in "kv":
        name = f"double_blocks.0.processor.ip_adapter_double_stream_{part}_proj"
        xlabs |= linear(name, WIDTH, CONTEXT)
    write(root / "xlabs/ipadapters/xlabs.safetensors", xlabs)
    instantx = {
        **linear("image_proj.proj.0", 8, SIGLIP_WIDTH),
        **linear("image_proj.proj.2", 6 * CONTEXT, 8),
        **linear("image_proj.norm", CONTEXT),
        **{
            f"ip_adapter.{layer}.to_{part}_ip.weight": zeros(WIDTH, CONTEXT)
            for layer in (0, 1)
            for part in "kv"
        },
    }
    write(root / "ipadapter-flux/instantx.safetensors", instantx)
    return root


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float16)


def linear(name: str, *shape: int) -> dict[str, np.ndarray]:
    return {f"{name}.weight": zeros(*shape), f"{name}.bias": zeros(shape[0])}


def siglip() -> dict[str, np.ndarray]:
    """Of the published width, by which it is known, and small otherwise."""
    width, inner = SIGLIP_WIDTH, 8
    state = {
        **linear("embeddings.patch_embedding", width, 3, 14, 14),
        "embeddings.position_embedding.weight": zeros(4, width),
        "head.probe": zeros(1, 1, width),
        "head.attention.in_proj_weight": zeros(3 * width, width),
        "head.attention.in_proj_bias": zeros(3 * width),
        **linear("head.attention.out_proj", width, width),
    }
    for name in (
        "post_layernorm",
        "head.layernorm",
        *(f"encoder.layers.0.layer_norm{each}" for each in "12"),
    ):
        state |= linear(name, width)
    for name in ("q", "k", "v", "out"):
        state |= linear(f"encoder.layers.0.self_attn.{name}_proj", width, width)
    for block in ("head", "encoder.layers.0"):
        state |= linear(f"{block}.mlp.fc1", inner, width) | linear(f"{block}.mlp.fc2", width, inner)
    return {f"vision_model.{name}": each for name, each in state.items()}


def write(file: Path, state: dict[str, np.ndarray]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)


@pytest.fixture
def flux() -> DiffusionModel:
    with torch.device("meta"):
        module = FluxTransformer2DModel(
            num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=CONTEXT, pooled_projection_dim=8, axes_dims_rope=(4, 6, 6),
        )  # fmt: skip
    shapes = {name: tuple(each.shape) for name, each in module.named_parameters()}
    network: Network[Any] = Network("tiny Flux", lambda placement: module, shapes)
    return DiffusionModel(network, flow_schedule(1.0), 1.0, 8, family=Family.FLUX)


def job_of(folder: Path) -> Job:
    return Job("job", Folders(folder, folder, folder, folder, (folder,)))


def test_xlabs_nodes_steer_flux(models: Path, flux: DiffusionModel) -> None:
    with running(job_of(models), "1"):
        adapter = load_flux_ip_adapter("xlabs.safetensors", "a-clip.safetensors", "GPU")
        steered = apply_flux_ip_adapter(flux, adapter, IMAGE, 0.5)
        assert apply_flux_ip_adapter(flux, adapter, IMAGE, 0.0) is flux
    assert steered.unet.name == 'tiny Flux, IP-Adapter "xlabs.safetensors"'


def test_instantx_nodes_find_siglip_and_steer_flux(models: Path, flux: DiffusionModel) -> None:
    with running(job_of(models), "1"):
        adapter = ip_adapter_flux_loader("instantx.safetensors", SIGLIP, "cuda")
        assert adapter.vision is not None
        assert adapter.vision.name == "sigclip.safetensors"
        steered = apply_ip_adapter_flux(flux, adapter, IMAGE, 0.5, 0.1, 0.6)
        assert siglip_stamp("instantx.safetensors") == siglip_stamp("instantx.safetensors")
    assert steered.unet.name == 'tiny Flux, IP-Adapter "instantx.safetensors"'


def test_the_nodes_for_other_families_take_both_too(models: Path, flux: DiffusionModel) -> None:
    with running(job_of(models), "1"):
        for file, vision in (("xlabs", "a-clip"), ("instantx", "sigclip")):
            adapter = ip_adapter_model_loader(f"{file}.safetensors")
            tower = clip_vision_loader(f"{vision}.safetensors")
            steered = ip_adapter_advanced(flux, adapter, IMAGE, 1.0, clip_vision=tower, **ADVANCED)
            assert file in steered.unet.name


def test_without_siglip_it_is_said_what_is_missing(models: Path, tmp_path: Path) -> None:
    write(tmp_path / "clip_vision/a-clip.safetensors", vision_weights.transformers_state())
    with running(job_of(tmp_path), "1"), pytest.raises(ModelNotFound, match="no SigLIP SO400M/14") as caught:
        ip_adapter_flux_loader("instantx.safetensors", SIGLIP, "cpu")
    assert "sigclip_vision_patch14_384" in str(caught.value.hint)


def test_clip_in_the_place_of_siglip_is_refused(models: Path, flux: DiffusionModel) -> None:
    with running(job_of(models), "1"):
        adapter = ip_adapter_model_loader("instantx.safetensors")
        tower = clip_vision_loader("a-clip.safetensors")
        with pytest.raises(
            ModelError, match=r"width 1152 \(SigLIP SO400M/14\), .*a-clip.* gives 64"
        ) as caught:
            ip_adapter_advanced(flux, adapter, IMAGE, 1.0, clip_vision=tower, **ADVANCED)
    assert caught.value.code == "model_mismatch"


def test_a_truncated_file_is_one_error(models: Path, tmp_path: Path) -> None:
    (tmp_path / "ipadapter").mkdir()
    whole = (models / "xlabs/ipadapters/xlabs.safetensors").read_bytes()
    (tmp_path / "ipadapter/half.safetensors").write_bytes(whole[: len(whole) // 2])
    with running(job_of(tmp_path), "1"), pytest.raises(BridgeError) as caught:
        ip_adapter_model_loader("half.safetensors")
    assert caught.value.code == "model_corrupt"
