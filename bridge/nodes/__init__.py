"""The nodes of workflows: one file a family, one small function a node.

A file's presence is its registration. Nodes hold no algorithm and no state; both live in
``bridge.diffusion`` and ``bridge.imaging``.
"""

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from bridge.diffusion import (
    choose_placement,
    device_figures,
    free,
    import_libraries,
    set_placement,
    set_up_torch,
)
from bridge.engine import NodeLibrary
from bridge.graph import Registry
from bridge.packs import load_packs


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """Set up the device and collect the nodes; the worker's bootstrap.

    Args:
        settings: ``device`` and ``dtype`` (or ``auto``), ``threads`` (or ``None``); ``custom_nodes`` and
            ``without_packs`` (see ``load_packs``).

    Raises:
        InputError: If the device is not here.
    """
    placement = choose_placement(settings.get("device") or "auto", settings.get("dtype") or "auto")
    set_up_torch(placement, settings.get("threads"))
    set_placement(placement)
    environment = {
        "device": str(placement.device),
        "dtype": str(placement.dtype).removeprefix("torch."),
        "vae_dtype": str(placement.vae_dtype).removeprefix("torch."),
        "transformer_dtype": str(placement.transformer_dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    ours = Registry.of_package(sys.modules[__name__])
    packs = load_packs(settings, ours)
    registry = Registry([*ours.values(), *packs.functions], [*ours.failures, *packs.failures])
    measure = partial(device_figures, placement.device)
    return NodeLibrary(registry, environment, free, measure, packs.folders, import_libraries)
