"""Which networks are in the device's memory.

1. A ``Network`` is a recipe: it loads its module when that is first asked for, and again after it was
   dropped. Handles in the cache therefore stay good when memory is given back.
2. Modules leave memory, least recently used first, before one is loaded for which there is no room, or
   when the device says that it is full; all of them on ``free()``; and any of them when nobody holds its
   ``Network`` any more. So networks that do not fit together take turns.
3. A network that does not fit alone, or leaves too little room for what runs through it, is streamed: as
   many of its layers as fit stay on the device, the others rest in ordinary memory and visit it. Dropping
   it ends that. What cannot even run so is refused before anything is loaded or dropped.
4. Room is counted for each device by itself: networks that rest on another one do not leave for it.
5. Networks may share tensors; these count once. What a network was made of is dropped after it.
6. Everything here belongs to the worker's event loop; nothing is locked.
"""

import math
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from bridge.diffusion.device import Placement, Placing, choose_placement, memory_errors
from bridge.diffusion.memory import all_memory, release_memory, room_for_weights, stored_bytes
from bridge.diffusion.planning import TOO_LARGE, Plan, exhausted, staying_layers, too_large, visiting_bytes
from bridge.diffusion.reading import announce
from bridge.diffusion.streaming import stream_to
from bridge.errors import OutOfMemory
from bridge.models import Shape

_CPU = torch.device("cpu")

M = TypeVar("M", bound=torch.nn.Module)
T = TypeVar("T")


class Network(Generic[M]):
    """A network that is there when it is needed.

    Args:
        name: For messages.
        load: Builds the module on a placement; may raise ``OutOfMemory``.
        shapes: Of its parameters by name, where they are known before it is loaded.
        buffers: How many numbers it holds besides its parameters, as SD3 its positions.
        resting: Bytes of a number of those of its parameters that rest in fewer than they compute in; unless
            it needs another, whose are taken.
        place: Where it runs, and how precisely.
        needs: Networks that it shares tensors with; it runs where the first of them does.
        new_bytes: What it adds to what it shares; ``None`` for all that ``shapes`` and ``buffers`` take.
        nbytes: What ``load`` itself keeps in ordinary memory, for whoever keeps the handle.

    Attributes:
        weight_bytes: What its weights take in memory now, shared ones included.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[Placement], M],
        shapes: Mapping[str, Shape] | None = None,
        *,
        buffers: int = 0,
        resting: Mapping[str, int] | None = None,
        place: Placing = Placement.unchanged,
        needs: "tuple[Network[Any], ...]" = (),
        new_bytes: int | None = None,
        nbytes: int = 0,
    ) -> None:
        self.name = name
        self.resting: Mapping[str, int] = needs[0].resting if needs else resting or {}
        self.needs = needs
        self.nbytes = nbytes
        self.weight_bytes = 0
        self._load = load
        self._shapes = shapes
        self._buffers = buffers
        self._place = place
        self._new_bytes = new_bytes
        self._is_widened = False
        self._staying: frozenset[str] | None = None  # layers, where it is streamed
        self._module: M | None = None

    @property
    def placement(self) -> Placement:
        """Where it runs, and how precisely."""
        if self.needs:
            return self.needs[0].placement
        where = self._place(placement())
        return where.in_float32() if self._is_widened else where

    @property
    def is_streamed(self) -> bool:
        """Whether layers of it rest in ordinary memory, and visit the device."""
        return self.needs[0].is_streamed if self.needs else self._staying is not None

    @property
    def home(self) -> torch.device:
        """Where its weights rest, or those that stay on the device if it is streamed and some do."""
        if self.needs:
            return self.needs[0].home
        rests_elsewhere = self._staying is not None and not self._staying
        return _CPU if rests_elsewhere else self.placement.device

    @property
    def is_loaded(self) -> bool:
        """Whether its weights are in memory now."""
        return self._module is not None

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Shapes of its parameters by name; loads it where nobody told them before."""
        if self._shapes is None:
            self._shapes = {name: tuple(each.shape) for name, each in self.module().named_parameters()}
        return self._shapes

    @property
    def new_bytes(self) -> int:
        """What loading it takes, as far as that is known."""
        if self._new_bytes is not None:
            return self._new_bytes
        return sum(self.layers.values()) + self._buffers * self.placement.dtype.itemsize

    @property
    def home_bytes(self) -> int:
        """What loading it takes at home, visits of its other layers included."""
        if not self._staying:
            return self.new_bytes
        layers = self.layers
        return sum(layers[path] for path in self._staying) + visiting_bytes(layers)

    @property
    def layers(self) -> Mapping[str, int]:
        """What its layers take, as far as that is known: path of a module → bytes of its own parameters."""
        width = self.placement.dtype.itemsize
        sizes: dict[str, int] = {}
        for name, shape in (self._shapes or {}).items():
            path = name.rpartition(".")[0]
            size = math.prod(shape) * min(self.resting.get(name, width), width)
            sizes[path] = sizes.get(path, 0) + size
        return sizes

    def bytes_of(self, names: Iterable[str]) -> int:
        """What some of its parameters take once they are changed: eight bits, or what they compute in."""
        width = self.placement.dtype.itemsize
        return sum(
            math.prod(self.shapes[name]) * (1 if self.resting.get(name) == 1 else width) for name in names
        )

    def module(self) -> M:
        """Return the module, loading it if need be.

        Raises:
            ModelError: If its file has gone bad.
            OutOfMemory: If it does not fit, even alone and streamed.
        """
        if self._module is None:
            _RESIDENTS.prepare(self)
            self._module = with_room(self._build, keep=(self, *self.needs))
            self.weight_bytes = stored_bytes(self.tensors())
            _RESIDENTS.admit(self)
        _RESIDENTS.touch(self)
        return self._module

    def tensors(self) -> Iterable[Tensor]:
        """Its weights, if it is loaded."""
        return (*self._module.parameters(), *self._module.buffers()) if self._module else ()

    def drop(self) -> None:
        """Let go of the module; if it was streamed, it is no more."""
        self.let_go()
        self._staying = None
        for need in self.needs:
            if not need.is_loaded:
                need.drop()

    def let_go(self) -> None:
        """Let go of the module; what was made of it keeps its tensors."""
        self._module = None
        self.weight_bytes = 0

    def drop_with_heirs(self) -> None:
        """Let go of the module, and of all that share tensors with it."""
        self.drop()
        for each in _RESIDENTS.networks():
            if self in each.needs:
                each.drop_with_heirs()

    def stream(self, room: int = 0) -> None:
        """Let go of the module; from the next time on no more of it than fits a room stays on the device."""
        self.drop_with_heirs()
        for need in self.needs:
            need.stream(room)
        if not self.needs:
            self._staying = staying_layers(self.layers, room)

    def widen(self) -> None:
        """Let go of the module; from the next time on it runs in float32."""
        self.drop_with_heirs()
        for need in self.needs:
            need.widen()
        self._is_widened = True

    def _build(self) -> M:
        where = self.placement
        with memory_errors(f"loading {self.name}"):
            if self._staying is not None:  # what is made of streamed modules streams as well
                module = self._load(replace(where, device=_CPU))
                stream_to(where.device, module, self._staying, visiting_bytes(self.layers))
            else:
                module = self._load(where)
        return module.requires_grad_(False).eval()


class _Residents:
    """The loaded networks, least recently used first."""

    def __init__(self) -> None:
        self.placement: Placement | None = None
        self._uses: weakref.WeakKeyDictionary[Network[Any], int] = weakref.WeakKeyDictionary()
        self._clock = 0
        self.kept: list[Network[Any]] = []

    def networks(self) -> list[Network[Any]]:
        return sorted((network for network in self._uses if network.is_loaded), key=self._uses.__getitem__)

    def touch(self, network: Network[Any]) -> None:
        for each in _lineage([network]):
            self._clock += 1
            self._uses[each] = self._clock

    def prepare(self, newcomer: Network[Any]) -> None:
        """Make room for a network that is about to be loaded; what does not fit even alone is streamed.

        In ordinary memory it is loaded all the same: what is free there is a guess. The client is told
        where room is short.

        Raises:
            OutOfMemory: Code ``model_too_large`` if it cannot fit, whatever leaves.
        """
        _require_possible(newcomer)
        home, free_bytes = newcomer.home, self.room(newcomer.placement.device)
        left = self._leave_for(newcomer, home, newcomer.home_bytes)
        if newcomer.home_bytes > self.room(home) and not newcomer.needs and home.type != "cpu":
            newcomer.stream(self.room(home))
            _require_possible(newcomer)  # now it must go through ordinary memory
        visits = newcomer.is_streamed and not newcomer.needs
        if visits:
            left += self._leave_for(newcomer, _CPU, newcomer.new_bytes)
        if visits or newcomer.new_bytes > max(free_bytes, 0):
            self._tell(newcomer, free_bytes, left)

    def _leave_for(self, newcomer: Network[Any], device: torch.device, wanted_bytes: int) -> list[str]:
        """Drop networks that rest on a device until there is room, or none is left; return their names."""
        left: list[str] = []
        while wanted_bytes > self.room(device) and (gone := self.make_room(device, (newcomer,))):
            left.append(gone.name)
            release_memory()
        return left

    def _tell(self, newcomer: Network[Any], free_bytes: int, left: list[str]) -> None:
        """Tell the client how a network is loaded for which there is not enough room."""
        device = newcomer.placement.device
        staying = newcomer.home_bytes if newcomer.home == device else 0
        plan = Plan(newcomer.name, str(device), newcomer.new_bytes, free_bytes, tuple(left), staying)
        if plan.steps:
            announce(newcomer.name, str(plan))

    def admit(self, newest: Network[Any]) -> None:
        """Drop what exceeds the room beside a network that was just loaded."""
        self.touch(newest)
        while self.room(newest.home) < 0 and self.make_room(newest.home, (newest,)):
            release_memory()

    def make_room(self, device: torch.device, keep: tuple[Network[Any], ...]) -> Network[Any] | None:
        """Drop the network unused for longest of those that rest on a device; return it if there was one.

        What networks in ``keep`` are made of stays as well: dropping it would free nothing.
        """
        needed = _lineage([*keep, *self.kept])
        for network in self.networks():
            if network.home == device and network not in needed:
                network.drop_with_heirs()
                return network
        return None

    def start_streaming(self, networks: tuple[Network[Any], ...]) -> bool:
        """Stream the largest of all that are needed now, or more of it, if it is one of some networks.

        Returns:
            Whether it was; not, where a call around this one needs it, which then has its turn.
        """
        needed = [each for each in _lineage(self.kept) if not each.needs and each.home.type != "cpu"]
        largest = max(needed, key=lambda each: each.home_bytes, default=None)
        if largest is None or largest not in _lineage(networks):
            return False
        largest.stream(largest.home_bytes // 2)
        return True

    def room(self, device: torch.device) -> int:
        """How many more bytes a device should hold."""
        tensors = (tensor for network in self.networks() for tensor in network.tensors())
        return room_for_weights(
            device, stored_bytes(each for each in tensors if each.device.type == device.type)
        )


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
    release_memory()


def with_room(call: Callable[[], T], keep: tuple[Network[Any], ...]) -> T:
    """Call a function; when memory is full, make room and call it again.

    First the networks that it does not need are dropped, one by one; then those it needs are streamed. One
    that the call itself loads is dropped once and, when it is back, no more.

    Raises:
        OutOfMemory: If memory is still full when the networks in ``keep`` are left, and streamed.
    """
    outer = len(_RESIDENTS.kept)
    _RESIDENTS.kept.extend(keep)
    dropped: tuple[Network[Any], ...] = ()
    try:
        while True:
            try:
                return call()
            except OutOfMemory as error:
                if error.code == TOO_LARGE:
                    raise
                devices = dict.fromkeys(each.placement.device for each in keep)
                found = (_RESIDENTS.make_room(device, (*keep, *dropped)) for device in devices)
                if gone := next(filter(None, found), None):
                    dropped += (gone,)
                elif not _RESIDENTS.start_streaming(keep):
                    if outer:
                        raise
                    raise exhausted(error, [each.name for each in keep if each.is_streamed]) from error
            release_memory()  # only here, where the error no longer holds on to the tensors of the call
    finally:
        del _RESIDENTS.kept[outer:]


def drop_if_short(network: Network[Any], wanted_bytes: int) -> None:
    """Drop a network where there is no room for more beside it, for somebody who holds its tensors."""
    if _RESIDENTS.room(network.home) < wanted_bytes:
        for each in _lineage([network]):
            each.let_go()


def _require_possible(network: Network[Any]) -> None:
    """Refuse a network that cannot run. One that is streamed is read into ordinary memory as a whole.

    Raises:
        OutOfMemory: Code ``model_too_large``.
    """
    device, ordinary = network.placement.device, all_memory(_CPU)
    there = all_memory(device)
    most = ordinary if network.is_streamed else max(there, ordinary)
    if network.new_bytes > most or (not network.needs and max(network.layers.values(), default=0) > there):
        network.drop()  # if it is streamed: there may be room for all of it another time
        narrows = network.placement.keeps_eight_bits and 1 not in network.resting.values()
        raise too_large(network.name, network.new_bytes, str(device), there, ordinary, may_narrow=narrows)


def _lineage(networks: Iterable[Network[Any]]) -> list[Network[Any]]:
    """Return networks with all that they share tensors with, each before what it was made of."""
    return [each for network in networks for each in (network, *_lineage(network.needs))]
