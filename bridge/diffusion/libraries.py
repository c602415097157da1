"""Large libraries, imported when something of them is first used.

diffusers and transformers take seconds to import and two hundred megabytes, much of it torch's compiler, that
they want for a few decorators. Nodes are described without them: a worker is ready before they are there, and
one that nobody asks for pictures stays small.

1. One thread imports at a time: of two that import one library, each would see half of it.
2. What they make for themselves lies on the CPU, even if the caller is building a network without weights.
"""

import importlib
import threading
from typing import Any

import torch

from bridge.engine import importing
from bridge.errors import BridgeError, reason_of

_TURN = threading.RLock()


class Library:
    """Stands for a module, and imports it as late as can be."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        try:
            with _TURN, importing(), torch.device("cpu"):
                value = getattr(importlib.import_module(self._name), attribute)
        except Exception as error:
            raise BridgeError(
                f"{self._name} cannot be imported: {reason_of(error)}",
                code="worker_failed",
                hint="Install framebridge again with pip. The daemon's log has the details.",
            ) from error
        setattr(self, attribute, value)
        return value


diffusers = Library("diffusers")
diffusers_attention = Library("diffusers.models.attention")
diffusers_embeddings = Library("diffusers.models.embeddings")
transformers = Library("transformers")

scipy_special = Library("scipy.special")
"""Which takes a fifth of a second, for one schedule."""

controlnet_xs = Library("bridge.diffusion.controlnet_xs")
t5_layers = Library("bridge.diffusion.t5_layers")
"""Modules of ours whose classes are made of theirs."""


def import_libraries() -> None:
    """Import what most pictures need, if it is not there yet.

    Raises:
        BridgeError: ``worker_failed`` if they are broken.
    """
    for name in ("AutoencoderKL", "ControlNetModel", "UNet2DConditionModel"):
        getattr(diffusers, name)
    for name in ("CLIPTextModel", "CLIPTokenizer"):
        getattr(transformers, name)
