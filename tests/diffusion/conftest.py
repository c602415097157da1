"""Tiny seeded networks, and a job to run them in."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bridge.diffusion import (
    Autoencoder,
    ControlNetwork,
    DiffusionModel,
    Network,
    Placement,
    TextEncoder,
    TextTower,
    choose_placement,
    free,
    loaded_networks,
    placement,
    set_placement,
)
from bridge.diffusion.controlnet import SteeringNetwork
from bridge.diffusion.networks import (
    SCALING_FACTOR,
    empty_autoencoder,
    empty_controlnet,
    empty_text_tower,
    empty_unet,
)
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.t5 import empty_t5, t5_config, t5_tokenizer
from bridge.diffusion.text_loading import clip_tokenizer
from bridge.engine import Folders, Job, running
from bridge.models import T5Layout, TowerKind

WIDTH = 16
ENCODER = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "cross_attention_dim": WIDTH,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
UNET = {**ENCODER, "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D")}
AUTOENCODER = {"layers_per_block": 1, "norm_num_groups": 4, "latent_channels": 4}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": WIDTH,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 77,
}

T5 = T5Layout(vocabulary=32128, width=64, inner_width=96, layers=3, heads=4, head_width=8, buckets=32)


def with_weights(module: Any, seed: int = 0) -> Any:
    """Fill an empty network with seeded noise that keeps signals at their size."""
    generator = torch.Generator().manual_seed(seed)
    module = module.to_empty(device="cpu")
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            spread = 1.0 if name.endswith("embedding.weight") else parameter[0].numel() ** -0.5
            parameter.data = spread * torch.randn(parameter.shape, generator=generator)
        else:
            parameter.data = torch.full(parameter.shape, float(name.endswith("weight")))
    return module


def autoencoder(*widths: int) -> Autoencoder:
    levels = len(widths)
    config = {
        **AUTOENCODER,
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "block_out_channels": widths,
    }
    network = Network("tiny VAE", lambda placement: with_weights(empty_autoencoder(config)))
    return Autoencoder(network, 2 ** (levels - 1))


def t5_encoder(seed: int = 3) -> Any:
    return with_weights(empty_t5(t5_config(T5)), seed)


def text_tower(seed: int = 0, projection: int = 0) -> Any:
    tower = with_weights(empty_text_tower({**TEXT, "projection_dim": projection}), seed)
    getattr(tower, "text_model", tower).embeddings.position_ids = torch.arange(77)[None]
    return tower


@pytest.fixture(scope="session", autouse=True)
def _on_the_cpu() -> None:
    torch.set_grad_enabled(False)
    set_placement(choose_placement("cpu"))


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    if loaded_networks():  # collecting garbage for nothing takes a second
        free()


@pytest.fixture
def as_on_ampere() -> Iterator[Callable[[], None]]:
    """Gives the CPU, when called, the precisions of a card with bfloat16; parts that differ fail there."""
    before = placement()
    yield lambda: set_placement(Placement(torch.device("cpu"), torch.float16, torch.bfloat16, torch.bfloat16))
    set_placement(before)


@pytest.fixture
def unet() -> Network[Any]:
    return Network("tiny UNet", lambda placement: with_weights(empty_unet(UNET)))


@pytest.fixture
def vae() -> Autoencoder:
    return autoencoder(8, 8, 16, 16)


@pytest.fixture
def fine_vae() -> Autoencoder:
    """One of latent factor 4."""
    return autoencoder(8, 8, 16)


@pytest.fixture
def model(unet: Network[Any]) -> DiffusionModel:
    return DiffusionModel(unet, stable_diffusion_schedule(), SCALING_FACTOR, 8)


@pytest.fixture
def fine_model(model: DiffusionModel) -> DiffusionModel:
    """One of latent factor 4."""
    return replace(model, latent_factor=4)


@pytest.fixture
def make_tower() -> Callable[..., TextTower]:
    def make(kind: TowerKind = "clip_l", projection: int = 0, seed: int = 0) -> TextTower:
        if kind == "t5xxl":
            return TextTower(Network("tiny T5", lambda placement: t5_encoder()), t5_tokenizer(), kind)
        network = Network("tiny text tower", lambda placement: text_tower(seed, projection))
        return TextTower(network, clip_tokenizer(), kind)

    return make


@pytest.fixture
def clip(make_tower: Callable[..., TextTower]) -> TextEncoder:
    return TextEncoder((make_tower(),))


@pytest.fixture
def make_controlnet() -> Callable[..., ControlNetwork]:
    def make(seed: int = 7, hint: tuple[int, ...] = (4, 8, 8, 8)) -> ControlNetwork:
        config = {**ENCODER, "conditioning_embedding_out_channels": hint}

        def load(placement: Any) -> SteeringNetwork:
            return SteeringNetwork(with_weights(empty_controlnet(config), seed))

        return ControlNetwork(Network("tiny ControlNet", load))

    return make


@pytest.fixture(scope="session")
def ldm() -> Any:
    """Writes single files in the original naming style: the module ``ldm.py`` beside this one."""
    spec = importlib.util.spec_from_file_location("ldm", Path(__file__).with_name("ldm.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def job(tmp_path: Path, sent: list[Any]) -> Job:
    """A job whose messages land in ``sent``."""
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path), emit=sent.append)


@pytest.fixture
def as_node(job: Job) -> Callable[[Any], Any]:
    """Await something as if the job's node 3 did."""

    async def run(work: Any) -> Any:
        async with running(job, "3"):
            return await work

    return run
