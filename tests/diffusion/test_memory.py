"""How much room a device has."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from bridge.diffusion import memory
from bridge.diffusion.memory import ACTIVATION_BYTES, all_memory, room_for_weights

GIGABYTE = 2**30


@pytest.mark.parametrize(
    ("free", "limit", "room"),
    [
        pytest.param(12, "max", 12, id="no container"),
        pytest.param(12, str(8 * GIGABYTE), 5, id="a container, of which the networks take 3"),
        pytest.param(4, str(8 * GIGABYTE), 4, id="other programs"),
    ],
)
def test_the_cpu_has_the_room_that_is_free_and_allowed(
    free: int, limit: str, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", (tmp_path / "absent", tmp_path / "memory.max"))
    monkeypatch.setattr(memory, "_container_limit", memory._container_limit.__wrapped__)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free * GIGABYTE))
    expected = room * GIGABYTE - 2 * ACTIVATION_BYTES
    assert room_for_weights(torch.device("cpu"), 3 * GIGABYTE) == expected


def test_a_gpu_keeps_room_for_what_runs_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2**29)
    assert room_for_weights(torch.device("cuda:0"), 0) == 3 * 2**30 + 2**29 - ACTIVATION_BYTES


@pytest.mark.parametrize(("limit", "most"), [("max", 16), (str(8 * GIGABYTE), 8)])
def test_a_computer_has_no_more_than_its_container_and_what_it_swaps(
    limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", (tmp_path / "memory.max",))
    monkeypatch.setattr(memory, "_container_limit", memory._container_limit.__wrapped__)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=16 * GIGABYTE))
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=2 * GIGABYTE))
    assert all_memory(torch.device("cpu")) == (most + 2) * GIGABYTE
