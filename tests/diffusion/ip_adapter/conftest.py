"""Tiny IP-Adapters in the published layouts, for the tiny UNet of the other tests and a tiny Flux."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import Network
from bridge.diffusion.clip_vision import (
    VisionTower,
    empty_vision_tower,
    load_clip_vision,
    vision_config,
    with_positions,
)
from bridge.models import VisionLayout
from tests.diffusion import vision_weights

WIDTHS = (16, 16, 16, 32)
"""Of the tiny UNet's cross-attentions: encoder, decoder (two), middle."""

CONTEXT = 16
HIDDEN, POOLED = 32, 24

FLUX_WIDTH, FLUX_CONTEXT, SIGLIP_WIDTH = 32, 12, 64

State = dict[str, Tensor]


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * shape[-1] ** -0.5


def linear(name: str, rows: int, columns: int, seed: int, *, bias: bool = True) -> State:
    state = {f"{name}.weight": noise(rows, columns, seed=seed)}
    return {**state, f"{name}.bias": noise(rows, seed=seed + 1)} if bias else state


def norm(name: str, width: int) -> State:
    return {f"{name}.weight": torch.ones(width) * 0.9, f"{name}.bias": torch.full((width,), 0.1)}


def plain() -> State:
    return {**linear("proj", 4 * CONTEXT, POOLED, 1), **norm("norm", CONTEXT)}


def full() -> State:
    return {
        **linear("proj.0", HIDDEN, HIDDEN, 1),
        **linear("proj.2", CONTEXT, HIDDEN, 3),
        **norm("proj.3", CONTEXT),
    }


def plus(tokens: int = 5, width: int = 48, heads: int = 2, depth: int = 4) -> State:
    state = {
        "latents": noise(1, tokens, width, seed=1),
        **linear("proj_in", width, HIDDEN, 2),
        **linear("proj_out", CONTEXT, width, 4),
        **norm("norm_out", CONTEXT),
    }
    for layer in range(depth):
        name, seed = f"layers.{layer}", 10 * layer + 6
        state |= norm(f"{name}.0.norm1", width) | norm(f"{name}.0.norm2", width) | norm(f"{name}.1.0", width)
        state |= linear(f"{name}.0.to_q", 64 * heads, width, seed, bias=False)
        state |= linear(f"{name}.0.to_kv", 128 * heads, width, seed + 1, bias=False)
        state |= linear(f"{name}.0.to_out", width, 64 * heads, seed + 2, bias=False)
        state |= linear(f"{name}.1.1", 4 * width, width, seed + 3, bias=False)
        state |= linear(f"{name}.1.3", width, 4 * width, seed + 4, bias=False)
    return state


PROJECTIONS: dict[str, Callable[[], State]] = {"plain": plain, "plus": plus, "full": full}


def layers(widths: tuple[int, ...] = WIDTHS, context: int = CONTEXT) -> State:
    return {
        f"{2 * index + 1}.to_{part}_ip.weight": noise(width, context, seed=100 + 2 * index + offset)
        for index, width in enumerate(widths)
        for offset, part in enumerate("kv")
    }


@pytest.fixture
def write_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Write an adapter file of a kind."""

    def write(kind: str = "plain", **changed: State) -> Path:
        state = {"image_proj": PROJECTIONS[kind](), "ip_adapter": layers(), **changed}
        file = tmp_path / f"{kind}.safetensors"
        save_file(
            {f"{part}.{key}": tensor for part, each in state.items() for key, tensor in each.items()}, file
        )
        return file

    return write


@pytest.fixture
def write_xlabs(tmp_path: Path) -> Callable[..., Path]:
    """Write an adapter in the names of XLabs, for some layers that treat words and picture apart."""

    def write(layers: int = 2) -> Path:
        state = linear("ip_adapter_proj_model.proj", 4 * FLUX_CONTEXT, POOLED, 1)
        state |= norm("ip_adapter_proj_model.norm", FLUX_CONTEXT)
        for layer in range(layers):
            for offset, part in enumerate("kv"):
                name = f"double_blocks.{layer}.processor.ip_adapter_double_stream_{part}_proj"
                state |= linear(name, FLUX_WIDTH, FLUX_CONTEXT, 100 + 4 * layer + 2 * offset)
        save_file(state, tmp_path / "xlabs.safetensors")
        return tmp_path / "xlabs.safetensors"

    return write


@pytest.fixture
def write_instantx(tmp_path: Path) -> Callable[..., Path]:
    """Write an adapter in the names of InstantX, for two layers of either kind."""

    def write() -> Path:
        state = linear("proj.0", 2 * SIGLIP_WIDTH, SIGLIP_WIDTH, 1)
        state |= linear("proj.2", 6 * FLUX_CONTEXT, 2 * SIGLIP_WIDTH, 3) | norm("norm", FLUX_CONTEXT)
        state = {f"image_proj.{name}": each for name, each in state.items()}
        for layer in range(4):
            for offset, part in enumerate("kv"):
                name = f"ip_adapter.{layer}.to_{part}_ip"
                state |= linear(name, FLUX_WIDTH, FLUX_CONTEXT, 100 + 2 * layer + offset, bias=False)
        save_file(state, tmp_path / "instantx.safetensors")
        return tmp_path / "instantx.safetensors"

    return write


@pytest.fixture
def write_siglip(tmp_path: Path) -> Callable[..., Path]:
    """Write a tiny SigLIP, with its head or without."""

    def write(*, has_head: bool = True) -> Path:
        state = {name: np.array(each) for name, each in vision_weights.siglip_state().items()}
        kept = {
            name: torch.from_numpy(each) for name, each in state.items() if has_head or ".head." not in name
        }
        save_file(kept, tmp_path / "siglip.safetensors")
        return tmp_path / "siglip.safetensors"

    return write


@pytest.fixture
def siglip(write_siglip: Callable[..., Path]) -> VisionTower:
    """A tower of the width that InstantX's adapter reads."""
    return load_clip_vision(write_siglip(), "tiny SigLIP")


@pytest.fixture(scope="session")
def vision() -> VisionTower:
    """A tower of the widths that the adapters read."""
    layout = VisionLayout(HIDDEN, 64, 2, 5, POOLED)
    config = vision_config(layout)

    def load(placement: object) -> torch.nn.Module:
        tower = empty_vision_tower(config).to_empty(device="cpu")
        for seed, parameter in enumerate(tower.parameters()):
            parameter.data = noise(*parameter.shape, seed=seed)
        module: torch.nn.Module = with_positions(tower)
        return module

    return VisionTower(Network("tiny CLIP vision", load), layout, "tiny")


@pytest.fixture
def picture() -> Tensor:
    return torch.rand(1, 40, 56, 3, generator=torch.Generator().manual_seed(3))
