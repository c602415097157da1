"""The nodes, in a worker whose memory runs out where a file says so."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from bridge import nodes
from bridge.diffusion import lora_names, residency, weights
from bridge.engine import NodeLibrary

SWITCH = "exhausted.txt"
"""In the folder for previews; holds the name of a class of modules, or of one of the functions below."""

TINY_BYTES = 2e6
"""All that the computer has, as long as it says ``all memory``."""


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """The worker's bootstrap."""
    switch = Path(settings["temp"]) / SWITCH

    def run_out(stage: str) -> None:
        if switch.exists() and switch.read_text() == stage:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8.00 GiB "
                "of which 1.20 GiB is free."
            )

    def before(module: torch.nn.Module, args: Any) -> None:
        run_out(type(module).__name__)

    def running_out(stage: str, function: Callable[..., Any], has_room: Callable[..., bool]) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if not has_room(*args, **kwargs):
                run_out(stage)
            return function(*args, **kwargs)

        return call

    def all_memory(device: torch.device) -> float:
        return TINY_BYTES if switch.exists() and switch.read_text() == "all memory" else real(device)

    real, residency.all_memory = residency.all_memory, all_memory
    torch.nn.modules.module.register_module_forward_pre_hook(before)
    weights.rounded = running_out("placing", weights.rounded, lambda *_: False)
    torch.Tensor.to = running_out("copying", torch.Tensor.to, lambda *args, copy=False, **_: not copy)
    lora_names.changed = running_out("patching", lora_names.changed, lambda kind, weight, *_: weight.is_meta)
    return nodes.load(settings)
