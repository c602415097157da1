"""How much room for weights a device has."""

import functools
import gc
import math
from collections.abc import Iterable
from pathlib import Path

import psutil
import torch
from torch import Tensor

ACTIVATION_BYTES = 2**30
"""Room on an accelerator that weights leave to what runs through them: a 1024² SDXL step in float16. The
CPU, which runs in float32, leaves twice as much: there the system kills a process rather than say that
memory is full."""

_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says how much memory a container may take, by the version of its control groups."""


def room_for_weights(device: torch.device, used_bytes: int) -> int:
    """Return how many more bytes of weights a device should hold; negative where it holds too many.

    Args:
        device: Where networks rest.
        used_bytes: What the loaded networks take there now.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        idle = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + idle - ACTIVATION_BYTES
    if device.type == "mps":
        most = torch.mps.recommended_max_memory()
        return most - torch.mps.driver_allocated_memory() - ACTIVATION_BYTES
    free_bytes = min(psutil.virtual_memory().available, _container_limit() - used_bytes)
    return int(free_bytes) - 2 * ACTIVATION_BYTES


@functools.cache
def _container_limit() -> float:
    for file in _CONTAINER_LIMITS:
        try:
            return int(file.read_text())
        except (OSError, ValueError):  # not there, or "max"
            continue
    return math.inf


def all_memory(device: torch.device) -> float:
    """Return all bytes that a device has, whatever takes them now: on the CPU with what it swaps to disk."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[1]
    if device.type == "mps":
        return torch.mps.recommended_max_memory()
    if device.type != "cpu":
        return math.inf
    return float(min(psutil.virtual_memory().total, _container_limit()) + psutil.swap_memory().total)


def device_figures(device: torch.device) -> dict[str, float]:
    """Return what memory a device has and what torch holds of it, in bytes; nothing for the CPU.

    May be called on any thread. The names are those of ``NodeLibrary.measure``.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device)
        idle = held - torch.cuda.memory_allocated(device)
    elif device.type == "mps":
        total, held = torch.mps.recommended_max_memory(), torch.mps.driver_allocated_memory()
        free, idle = total - held, held - torch.mps.current_allocated_memory()
    else:
        return {}
    return {
        "vram_total_bytes": total,
        "vram_free_bytes": free + idle,
        "torch_vram_total_bytes": held,
        "torch_vram_free_bytes": idle,
    }


def stored_bytes(tensors: Iterable[Tensor]) -> int:
    """Return what tensors take together; those that share memory count once."""
    storages = {
        storage.data_ptr(): storage.nbytes() for each in tensors if (storage := each.untyped_storage())
    }
    return sum(storages.values())


def release_memory() -> None:
    """Give back what nobody holds any more, on every device, and pinned memory with it."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        getattr(torch.accelerator, "empty_host_cache", lambda: None)()  # not in every release from 2.10 on
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
