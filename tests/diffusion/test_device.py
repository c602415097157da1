"""Where networks run."""

import pytest
import torch

from bridge.diffusion import Placement, choose_placement, memory_errors, set_up_torch
from bridge.errors import InputError, OutOfMemory


def pretend_cuda(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int] | None) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(capability is not None))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)


FULL, HALF, WIDE = torch.float32, torch.float16, torch.bfloat16


def precisions(placement: Placement) -> tuple[torch.dtype, ...]:
    """Of UNets, autoencoders, transformers and T5."""
    places = placement, placement.for_vae(), placement.for_transformer(), placement.for_t5()
    return tuple(place.dtype for place in places)


def test_without_an_accelerator_the_cpu_runs_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, None)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    placement = choose_placement()
    assert placement.device.type == "cpu"
    assert precisions(placement) == (FULL, FULL, FULL, FULL)


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((9, 0), (HALF, WIDE, WIDE, WIDE)),
        ((8, 0), (HALF, WIDE, WIDE, WIDE)),
        ((7, 5), (HALF, FULL, HALF, FULL)),
        ((6, 1), (FULL, FULL, FULL, FULL)),
    ],
    ids=["Hopper", "Ampere", "Turing", "Pascal"],
)
def test_cuda_runs_what_the_chip_is_good_at(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: tuple[torch.dtype, ...]
) -> None:
    pretend_cuda(monkeypatch, capability)
    placement = choose_placement()
    assert str(placement.device) == "cuda:0"
    assert precisions(placement) == expected


@pytest.mark.parametrize(
    ("has_bfloat16", "expected"), [(True, (HALF, FULL, WIDE, WIDE)), (False, (HALF, FULL, HALF, FULL))]
)
def test_mps_keeps_the_autoencoder_precise(
    monkeypatch: pytest.MonkeyPatch, has_bfloat16: bool, expected: tuple[torch.dtype, ...]
) -> None:
    pretend_cuda(monkeypatch, None)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    since = (14, 0) if has_bfloat16 else (15, 0)
    monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *version: version >= since)
    placement = choose_placement()
    assert placement.device.type == "mps"
    assert precisions(placement) == expected
    assert placement.memory_format == torch.contiguous_format


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("bfloat16", (WIDE, WIDE, WIDE, WIDE)),
        ("float32", (FULL, FULL, FULL, FULL)),
        ("float16", (HALF, HALF, HALF, FULL)),  # T5 gives no numbers in float16
    ],
)
def test_the_user_has_the_last_word(
    monkeypatch: pytest.MonkeyPatch, dtype: str, expected: tuple[torch.dtype, ...]
) -> None:
    pretend_cuda(monkeypatch, (8, 0))
    assert precisions(choose_placement("cuda", dtype)) == expected


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", "cuda:x", "tpu", ""])
def test_a_device_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    pretend_cuda(monkeypatch, None)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="is not here"):
        choose_placement(device)


def test_a_second_gpu_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_cuda(monkeypatch, (8, 6))
    assert str(choose_placement("cuda").device) == "cuda:0"
    with pytest.raises(InputError):
        choose_placement("cuda:1")


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="float64"):
        choose_placement("cpu", "float64")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried …"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
        MemoryError(),
    ],
)
def test_full_memory_has_one_name(error: Exception) -> None:
    with pytest.raises(OutOfMemory, match="while painting") as caught, memory_errors("painting"):
        raise error
    assert caught.value.__cause__ is error


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes"), memory_errors("painting"):
        raise RuntimeError("shapes do not match")


def test_threads_are_set_and_no_gradients_recorded() -> None:
    before = torch.get_num_threads()
    try:
        set_up_torch(choose_placement("cpu"), 1)
        assert torch.get_num_threads() == 1
        set_up_torch(choose_placement("cpu"), None)
        assert torch.get_num_threads() == 1
        assert not torch.is_grad_enabled()
    finally:
        torch.set_num_threads(before)
