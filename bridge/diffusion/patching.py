"""Networks that are others with something changed: weights, by LoRAs and merging, or how they run.

A patched network shares every tensor and every module that no patch touches with its base, which it never
alters. All patches of a weight are computed from the base's own, in float32, one after another, and
rounded once at the end; so nothing drifts, however often a strength is changed.
"""

import copy
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from bridge.diffusion.device import Placement
from bridge.diffusion.residency import Network, drop_if_short
from bridge.diffusion.types import DiffusionModel
from bridge.errors import UnsupportedModel
from bridge.models import UNET_FAMILIES

Change = Callable[[Tensor], Tensor]
"""A weight, float32 → the changed weight."""


class Patch(Protocol):
    """What changes some weights of a network."""

    @property
    def label(self) -> str:
        """What it is, for messages: ``LoRA "x"``."""

    @property
    def names(self) -> Collection[str]:
        """The parameters it changes."""

    def changes(self) -> Mapping[str, Change]:
        """Read what it takes; one change for each of ``names``."""


class PatchedNetwork(Network[Any]):
    """A network with patches; made by ``patched``."""

    def __init__(self, base: Network[Any], patches: tuple[Patch, ...]) -> None:
        self.base = base
        self.patches = patches
        names = {name for patch in patches for name in patch.names}
        new_bytes = base.bytes_of(names)
        super().__init__(
            ", ".join([base.name, *(patch.label for patch in patches)]),
            functools.partial(_build, base, patches, new_bytes),
            base.shapes,
            needs=(base,),
            new_bytes=new_bytes,
        )


def patched(network: Network[Any], patch: Patch) -> PatchedNetwork:
    """Return a network with one more patch; patches of a patched network add up on its base."""
    if isinstance(network, PatchedNetwork):
        return PatchedNetwork(network.base, (*network.patches, patch))
    return PatchedNetwork(network, (patch,))


def variant(base: Network[Any], label: str, change: Callable[[Any], Any]) -> Network[Any]:
    """Return a network that shares all weights with another but runs otherwise.

    Args:
        base: Stays as it is.
        label: What is changed, for messages.
        change: Makes a changed twin of a module.
    """
    return Network(
        f"{base.name}, {label}", lambda where: change(base.module()), base.shapes, needs=(base,), new_bytes=0
    )


def require_unet(model: DiffusionModel, what: str) -> None:
    """Refuse a model without a UNet for what changes one.

    Args:
        model: The model.
        what: What is to be changed, as the user knows it.

    Raises:
        UnsupportedModel: If its denoiser is a transformer.
    """
    if model.family not in UNET_FAMILIES:
        raise UnsupportedModel(
            f"{what} works on UNets, {model.unet.name} ({model.family.value}) is a transformer",
            hint="Leave the node out, or use a checkpoint of Stable Diffusion 1.x, 2.x or SDXL.",
        )


def twin_of(module: Any, names: Collection[str]) -> Any:
    """Return a copy of a module that shares everything but what holds some parameters.

    Args:
        module: Stays as it is.
        names: Parameters that the copy may be given others for; hooks before their modules run, too.
    """
    twin = copy.copy(module)
    for registry in ("_parameters", "_buffers", "_modules", "_forward_pre_hooks"):
        twin.__dict__[registry] = module.__dict__[registry].copy()
    children: dict[str, list[str]] = {}
    for name in names:
        child, dot, below = name.partition(".")
        if dot:
            children.setdefault(child, []).append(below)
    for child, inner in children.items():
        twin._modules[child] = twin_of(module._modules[child], inner)
    return twin


def exact_weights(network: Network[Any]) -> Callable[[str], Tensor]:
    """Return what gives a network's weights by name in float32, patches included, not rounded."""
    patches = network.patches if isinstance(network, PatchedNetwork) else ()
    module = (network.base if isinstance(network, PatchedNetwork) else network).module()
    changes = _collected(patches)
    return lambda name: _changed(module.get_parameter(name), changes.get(name, ()))


@torch.no_grad()
def _build(base: Network[Any], patches: Sequence[Patch], new_bytes: int, where: Placement) -> Any:
    changes = _collected(patches)
    twin = twin_of(base.module(), changes)
    drop_if_short(base, new_bytes)
    for name, steps in changes.items():
        place, _, last = name.rpartition(".")
        holder = twin.get_submodule(place)
        old = holder._parameters[last]
        new = torch.empty_like(old).copy_(_changed(old, steps))  # laid out in memory as it was
        holder._parameters[last] = torch.nn.Parameter(new, requires_grad=False)
    return twin


def _collected(patches: Sequence[Patch]) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for patch in patches:
        for name, change in patch.changes().items():
            changes.setdefault(name, []).append(change)
    return changes


def _changed(weight: Tensor, changes: Sequence[Change]) -> Tensor:
    weight = weight.float()
    for change in changes:
        weight = change(weight)
    return weight
