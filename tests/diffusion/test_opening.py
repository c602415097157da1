"""Loading a network takes as much memory as was planned from the header of its file."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.t5 import empty_t5, t5_config
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.models import FluxLayout, PixArtLayout, SD3Layout, T5Layout
from tests.diffusion.transformer_weights import original_state

ROOT = Path(__file__).parents[2]
LAYOUTS = {
    "flux": FluxLayout(64, 64, 1024, 128, 2, 2, 1024, 768, is_guided=True),
    "sd3": SD3Layout(2, 16, 16, 1024, 3, 1024, 2048, 64, (0, 1), normalizes=True),
    "pixart": PixArtLayout(2, 4, 8, 1152, 4, 1024, takes_sizes=True),
}
T5 = T5Layout(vocabulary=32128, width=1152, inner_width=2816, layers=6, heads=18, head_width=64, buckets=32)
LOADS = {
    "flux in 16 bits": ("flux", torch.float16, "default"),
    "flux in 16 bits, to 8": ("flux", torch.float16, "fp8_e4m3fn"),
    "flux in 8 bits": ("flux", torch.float8_e4m3fn, "default"),
    "sd3 in 16 bits": ("sd3", torch.bfloat16, "default"),
    "pixart in 32 bits": ("pixart", torch.float32, "default"),
    "t5 in 16 bits": ("t5", torch.float16, "default"),
    "t5 in 8 bits, scaled": ("t5", None, "default"),
}
"""What is loaded: a network, what its file holds (``None`` for eight bits with scales), and its storage."""


def state_of(name: str, dtype: torch.dtype | None) -> Mapping[str, Tensor]:
    """A network of a published layout and a hundred million numbers, all of them zeros."""
    module = empty_t5(t5_config(T5)) if name == "t5" else empty_transformer(LAYOUTS[name])
    state = {
        key: torch.zeros(tensor.shape, dtype=dtype or torch.float16)
        for key, tensor in module.state_dict().items()
    }
    if dtype is None:
        return dict(scaled(state))
    return state if name == "t5" else original_state(state, LAYOUTS[name])


def scaled(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for key, tensor in state.items():
        if tensor.ndim == 2 and key.startswith("encoder.block"):
            yield key, torch.zeros(tensor.shape, dtype=torch.float8_e4m3fn)
            yield key.removesuffix("weight") + "scale_weight", torch.tensor(0.5)
        else:
            yield key, tensor


@pytest.fixture(scope="module")
def peaks(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[int, int]]:
    """What was planned for each network, and what loading it took at most, in a process of its own."""
    folder = tmp_path_factory.mktemp("peaks")
    wanted = []
    for number, (name, dtype, storage) in enumerate(LOADS.values()):
        file = folder / f"{name}-{number}.safetensors"
        save_file(state_of(name, dtype), file)
        wanted.append((str(file), storage))
    command = [sys.executable, "-m", "tests.diffusion.loading_peak"]
    run = subprocess.run(
        command, input=json.dumps(wanted), cwd=ROOT, capture_output=True, text=True, check=True
    )
    for file_name, _ in wanted:
        Path(file_name).unlink()
    return {
        name: (planned, most) for name, (planned, most) in zip(LOADS, json.loads(run.stdout), strict=True)
    }


@pytest.mark.skipif(sys.platform != "linux", reason="what a process takes is read from /proc")
@pytest.mark.parametrize("name", LOADS)
def test_loading_takes_what_was_planned(peaks: Mapping[str, tuple[int, int]], name: str) -> None:
    planned, most = peaks[name]
    assert planned > 100e6
    assert most == pytest.approx(planned, rel=0.1)
