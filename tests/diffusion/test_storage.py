"""Weights in eight bits on devices that know none; how they compute is tested where networks load."""

from pathlib import Path
from typing import Any

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
    ("where", "capability", "resting", "told"),
    [
        (CPU, None, WIDTHS, "cpu does not compute in eight bits: weights in fp8 are widened to float16"),
        (CUDA, (8, 6), WIDTHS, "cuda:0 does not compute in eight bits"),
        (CUDA, (8, 9), WIDTHS, ""),
        (MPS, None, {"b.weight": 2}, "mps does not compute in eight bits"),
    ],
    ids=["CPU", "Ampere", "Ada", "MPS"],
)
def test_a_device_that_does_not_compute_in_eight_bits_is_told_of(
    job: Job,
    monkeypatch: pytest.MonkeyPatch,
    where: Placement,
    capability: Any,
    resting: dict[str, int],
    told: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    warnings: list[Problem] = []
    with running(job, "3", warnings):
        assert resting_on(where, WIDTHS) == resting
    assert [told in each.message for each in warnings] == [True] * bool(told)
    assert {each.code for each in warnings} <= {"no_eight_bits"}


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
