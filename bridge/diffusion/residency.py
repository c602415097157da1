"""Which networks are in the device's memory.

1. A ``Network`` is a recipe: it loads its module when that is first asked for, and again after it was
   dropped. Handles in the cache therefore stay good when memory is given back.
2. Modules leave memory, least recently used first, when the device is full or the budget is reached,
   all of them on ``free()``, and any of them when nobody holds its ``Network`` any more.
3. Everything here belongs to the worker's event loop; nothing is locked.
"""

import gc
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch

from bridge.diffusion.device import Placement, choose_placement, memory_errors
from bridge.errors import OutOfMemory

M = TypeVar("M", bound=torch.nn.Module)
T = TypeVar("T")

CPU_BUDGET_BYTES = 8 * 2**30
"""Weights kept in ordinary memory, where the system kills a process rather than say that it is full:
a Stable Diffusion 1.5 checkpoint in float32 with three ControlNets."""


class Network(Generic[M]):
    """A network that is there when it is needed.

    Args:
        name: For messages.
        load: Builds the module on a placement; may raise ``OutOfMemory``.

    Attributes:
        weight_bytes: What its weights take in memory now.
    """

    def __init__(self, name: str, load: Callable[[Placement], M]) -> None:
        self.name = name
        self.weight_bytes = 0
        self._load = load
        self._module: M | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are in memory now."""
        return self._module is not None

    def module(self) -> M:
        """Return the module, loading it if need be.

        Raises:
            ModelError: If its file has gone bad.
            OutOfMemory: If it does not fit, even alone.
        """
        if self._module is None:
            self._module = with_room(self._build, keep=(self,))
            tensors = (*self._module.parameters(), *self._module.buffers())
            self.weight_bytes = sum(tensor.nbytes for tensor in tensors)
            _RESIDENTS.admit(self)
        _RESIDENTS.touch(self)
        return self._module

    def drop(self) -> None:
        """Let go of the module."""
        self._module = None
        self.weight_bytes = 0

    def _build(self) -> M:
        with memory_errors(f"loading {self.name}"):
            module = self._load(placement())
        return module.requires_grad_(False).eval()


class _Residents:
    """The loaded networks, least recently used first."""

    def __init__(self) -> None:
        self.placement: Placement | None = None
        self._uses: weakref.WeakKeyDictionary[Network[Any], int] = weakref.WeakKeyDictionary()
        self._clock = 0

    def networks(self) -> list[Network[Any]]:
        return sorted((network for network in self._uses if network.is_loaded), key=self._uses.__getitem__)

    def touch(self, network: Network[Any]) -> None:
        self._clock += 1
        self._uses[network] = self._clock

    def admit(self, newest: Network[Any]) -> None:
        """Drop what does not fit into the budget beside a network that was just loaded."""
        self.touch(newest)
        if placement().device.type != "cpu":
            return
        while sum(network.weight_bytes for network in self.networks()) > CPU_BUDGET_BYTES:
            if not self.make_room(keep=(newest,)):
                return

    def make_room(self, keep: tuple[Network[Any], ...]) -> bool:
        """Drop the network unused for longest; tells whether there was one."""
        for network in self.networks():
            if network not in keep:
                network.drop()
                return True
        return False


_RESIDENTS = _Residents()


def placement() -> Placement:
    """Return where networks run; chosen automatically unless ``set_placement`` was called."""
    if _RESIDENTS.placement is None:
        _RESIDENTS.placement = choose_placement()
    return _RESIDENTS.placement


def set_placement(new: Placement) -> None:
    """Run all networks there from now on; those in memory are dropped."""
    free()
    _RESIDENTS.placement = new


def loaded_networks() -> list[Network[Any]]:
    """Return the networks in memory, least recently used first."""
    return _RESIDENTS.networks()


def free() -> None:
    """Give back the device's memory; networks load again when they are needed."""
    for network in _RESIDENTS.networks():
        network.drop()
    _release()


def with_room(call: Callable[[], T], keep: tuple[Network[Any], ...]) -> T:
    """Call a function; when memory is full, drop networks it does not need and call it again.

    Raises:
        OutOfMemory: If memory is still full when only the networks in ``keep`` are left.
    """
    while True:
        try:
            return call()
        except OutOfMemory:
            if not _RESIDENTS.make_room(keep):
                raise
        _release()  # only here, where the error no longer holds on to the tensors of the call


def _release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
