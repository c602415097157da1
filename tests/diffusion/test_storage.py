"""Weights in eight bits on devices with and without such numbers; that they compute is tested elsewhere."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bridge.diffusion import load_denoiser
from bridge.diffusion.device import Placement
from bridge.diffusion.storage import resting_on
from bridge.engine import Job, running
from bridge.errors import Problem
from tests.diffusion.transformer_weights import SMALL, small_transformer

CPU, CUDA, MPS = (
    Placement.uniform(torch.device(device), torch.float16) for device in ("cpu", "cuda:0", "mps")
)
WIDTHS = {"a.weight": 1, "b.weight": 2}


@pytest.mark.parametrize(
    ("where", "resting", "hint"),
    [
        (CPU, WIDTHS, "less memory, but no less time"),
        (CUDA, WIDTHS, "less memory, but no less time"),
        (MPS, {"b.weight": 2}, "neither memory nor time"),
    ],
    ids=["CPU", "CUDA", "MPS"],
)
def test_it_is_told_that_eight_bits_save_no_time(
    job: Job, where: Placement, resting: dict[str, int], hint: str
) -> None:
    warnings: list[Problem] = []
    with running(job, "3", warnings):
        assert resting_on(where, WIDTHS) == resting
    (warning,) = warnings
    assert warning.code == "device_widens_eight_bits"
    assert f"widened to float16 on {where.device}" in warning.message
    assert hint in warning.hint


def test_a_device_without_numbers_of_eight_bits_gets_the_same_weights_widened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(small_transformer(SMALL["flux_dev"][0]).state_dict(), tmp_path / "flux")
    narrow = load_denoiser(tmp_path / "flux", "flux", "fp8_e4m3fn").unet
    monkeypatch.setattr(Placement, "keeps_eight_bits", False)
    wide = load_denoiser(tmp_path / "flux", "flux", "fp8_e4m3fn").unet
    assert {each.dtype for each in wide.module().parameters()} == {torch.float32}
    assert wide.new_bytes == wide.weight_bytes > narrow.new_bytes
    for one, other in zip(narrow.module().parameters(), wide.module().parameters(), strict=True):
        assert torch.equal(one.float(), other)
