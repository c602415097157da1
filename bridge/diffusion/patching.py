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
from bridge.diffusion.storage import at_rest, exact_weight
from bridge.diffusion.types import DiffusionModel
from bridge.errors import UnsupportedModel
from bridge.models import UNET_FAMILIES, Shape

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

    def __init__(self, base: Network[Any], patches: tuple[Patch, ...], shapes: Mapping[str, Shape]) -> None:
        self.base = base
        self.patches = patches
        super().__init__(
            ", ".join([base.name, *(patch.label for patch in patches)]),
            functools.partial(_build, base, patches),
            shapes,
            needs=(base,),
        )

    @property
    def new_bytes(self) -> int:
        """What the changed weights take."""
        return self.bytes_of({name for patch in self.patches for name in patch.names})


def patched(
    network: Network[Any], patch: Patch, widened: Mapping[str, Shape] | None = None
) -> PatchedNetwork:
    """Return a network with one more patch; patches of a patched network add up on its base.

    Args:
        network: Stays as it is.
        patch: Changes some of its weights.
        widened: The new shapes of those that it makes larger.
    """
    shapes = {**network.shapes, **(widened or {})}
    if isinstance(network, PatchedNetwork):
        return PatchedNetwork(network.base, (*network.patches, patch), shapes)
    return PatchedNetwork(network, (patch,), shapes)


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
    return lambda name: _changed(exact_weight(module, name), changes.get(name, ()))


@torch.no_grad()
def _build(base: Network[Any], patches: Sequence[Patch], where: Placement) -> Any:
    changes = _collected(patches)
    twin = twin_of(base.module(), changes)
    drop_if_short(base, base.bytes_of(changes))
    for name, steps in changes.items():
        place, _, last = name.rpartition(".")
        holder = twin.get_submodule(place)
        old = holder._parameters[last]
        values = at_rest(twin, name, _changed(exact_weight(twin, name), steps))
        dtype = old.dtype if old.dtype.itemsize == 1 else where.dtype  # 16 bits would round what is added
        # Laid out in memory as it was, if it is as large.
        is_as_large = values.shape == old.shape
        new = torch.empty_like(old if is_as_large else values, dtype=dtype, device=old.device)
        holder._parameters[last] = torch.nn.Parameter(new.copy_(values), requires_grad=False)
    return twin


def _collected(patches: Sequence[Patch]) -> dict[str, list[Change]]:
    changes: dict[str, list[Change]] = {}
    for patch in patches:
        for name, change in patch.changes().items():
            changes.setdefault(name, []).append(change)
    return changes


def _changed(weight: Tensor, changes: Sequence[Change]) -> Tensor:
    for change in changes:
        weight = change(weight)
    return weight
