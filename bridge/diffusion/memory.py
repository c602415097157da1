"""How much room a device has, and running a network that does not fit into it.

A streamed network's weights rest in ordinary memory. Each of its modules borrows its own tensors on the
device while it runs, so that one layer at a time takes room there; nothing is copied back.
"""

import functools
import math
from pathlib import Path
from typing import Any

import psutil
import torch

ACTIVATION_BYTES = 2**30
"""Room on an accelerator that weights leave to what runs through them: a 1024² SDXL step in float16. The
CPU, which runs in float32, leaves twice as much: there the system kills a process rather than say that
memory is full."""

_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says how much memory a container may take, by the version of its control groups."""

_RESTING = "_resting_tensors"


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


def stream_to(device: torch.device, module: torch.nn.Module) -> None:
    """Let a network that rests in ordinary memory run on a device, module by module.

    A twin that shares modules with it, or was copied from it, streams as well.

    Args:
        device: Where it runs.
        module: Its inputs must be on the device.
    """

    def borrow(each: torch.nn.Module, args: Any) -> None:
        each.__dict__[_RESTING] = dict(each._parameters), dict(each._buffers)
        for name, parameter in each._parameters.items():
            if parameter is not None:
                each._parameters[name] = torch.nn.Parameter(parameter.to(device), requires_grad=False)
        for name, buffer in each._buffers.items():
            if buffer is not None:
                each._buffers[name] = buffer.to(device)

    def give_back(each: torch.nn.Module, args: Any, output: Any) -> None:
        parameters, buffers = each.__dict__.pop(_RESTING)
        each._parameters.update(parameters)
        each._buffers.update(buffers)

    for each in module.modules():
        if each._parameters or each._buffers:
            each.register_forward_pre_hook(borrow)
            each.register_forward_hook(give_back, always_call=True)
