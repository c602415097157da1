"""Running a network of which not all layers fit the device: those that do not visit it while they run.

1. A layer is a module with tensors of its own; torch's attention is one with the layers in it, which it does
   not call. One that visits rests in ordinary memory, and borrows its tensors on the device while it runs;
   nothing is copied back. Whatever part of the network is called, it works; and so does a twin that shares
   layers with it, or was copied from it.
2. On CUDA the layers that followed last time are already on their way while one runs, on a stream of
   copies. A layer waits for its own copies; they are let go of when what computes on them is done.
3. All that visits, and is on its way or not done, takes no more than a limit; a single larger layer does.
   Where the device is full sooner, the limit is halved: only what must be there now is an error.
4. What a visit begins from is moved into pinned memory once, as copies on a stream of their own want it.
"""

import logging
import weakref
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import psutil
import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

_VISIT = "_visit"

_SLAB_BYTES = 2**28
"""Pinned memory is taken in pieces of this size: torch rounds each up to a power of two."""

_LEAST_PINNED_BYTES = 2**20
_ALIGNMENT = 256


def stream_to(device: torch.device, module: nn.Module, staying: Collection[str], limit_bytes: int) -> None:
    """Let a network that rests in ordinary memory run on a device.

    Args:
        device: Where it runs.
        module: Its inputs must be on the device.
        staying: Paths of the layers that move there now; the others visit.
        limit_bytes: What may visit a CUDA device at the same time; elsewhere one layer does.
    """
    if device.type == "cuda":
        _stream(device, module, staying, Visits(_CopyStream(device), limit_bytes))
    else:
        _stream(device, module, staying, Visits(_NoStream(device), 0))


def _stream(device: torch.device, module: nn.Module, staying: Collection[str], visits: "Visits") -> None:
    def come(layer: nn.Module, args: Any) -> None:
        visits.begin(layer)

    def go(layer: nn.Module, args: Any, output: Any) -> None:
        visits.end(layer)
        if output is not None:  # or it failed, perhaps because the device is full
            visits.send_for_next()

    for path, layer in _layers(module):
        if all(f"{path}.{name}".rpartition(".")[0].lstrip(".") in staying for name, _ in _tensors(layer)):
            _put(layer, {name: tensor.to(device) for name, tensor in _tensors(layer)})
        else:
            layer.register_forward_pre_hook(come)
            layer.register_forward_hook(go, always_call=True)


def _layers(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that have tensors, but for those which another one uses without calling them."""
    owned: set[nn.Module] = set()
    for path, layer in module.named_modules():
        if isinstance(layer, nn.MultiheadAttention):
            owned |= {*layer.modules()} - {layer}
        if layer not in owned and any(True for _ in _tensors(layer)):
            yield path, layer


class Lane(Protocol):
    """How tensors get to a device."""

    def fetch(self, layer: nn.Module) -> tuple[Mapping[str, Tensor], Any]:
        """Begin to copy a layer's tensors; returns the copies by name, and what tells that they are there."""

    def join(self, copies: Mapping[str, Tensor], arrival: Any) -> None:
        """Have what computes from now on wait for copies."""

    def mark(self) -> Any:
        """Return what tells that all is done which computes until now."""

    def is_done(self, mark: Any) -> bool:
        """Tell whether it is."""

    def wait(self, mark: Any) -> None:
        """Wait until it is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Visit:
    """Copies of a layer's tensors on the device."""

    copies: Mapping[str, Tensor]
    arrival: Any

    @property
    def nbytes(self) -> int:
        return sum(copy.nbytes for copy in self.copies.values())


class Visits:
    """The layers that are on a device for a while.

    Args:
        lane: How they get there.
        limit_bytes: What they may take there together; 0 to fetch none before it runs.
    """

    def __init__(self, lane: Lane, limit_bytes: int) -> None:
        self._lane = lane
        self._limit = limit_bytes
        self._coming: weakref.WeakKeyDictionary[nn.Module, _Visit] = weakref.WeakKeyDictionary()
        self._leaving: deque[tuple[Any, _Visit]] = deque()
        self._next: weakref.WeakKeyDictionary[nn.Module, weakref.ref[nn.Module]] = weakref.WeakKeyDictionary()
        self._last: weakref.ref[nn.Module] | None = None

    def begin(self, layer: nn.Module) -> None:
        """Let a layer run on the device."""
        if self._last is not None and (last := self._last()) is not None:
            self._next[last] = weakref.ref(layer)
        self._last = weakref.ref(layer)
        visit = self._arrived(layer)
        if visit is None:
            self._make_room(_resting_bytes(layer), least_leaving=0)
            visit = self._fetched(layer)
        self._lane.join(visit.copies, visit.arrival)
        layer.__dict__[_VISIT] = visit, dict(_tensors(layer))
        _put(layer, visit.copies)

    def end(self, layer: nn.Module) -> None:
        """Give a layer back what it rests in."""
        held = layer.__dict__.pop(_VISIT, None)
        if held is None:  # it failed before it began
            return
        visit, resting = held
        _put(layer, resting)
        self._leaving.append((self._lane.mark(), visit))
        while self._leaving and self._lane.is_done(self._leaving[0][0]):
            self._leaving.popleft()

    def send_for_next(self) -> None:
        """Fetch layers that followed the latest one last time."""
        latest = self._last and self._last()
        for following in self._followers(latest) if latest else ():
            if not self._make_room(_resting_bytes(following), least_leaving=1):
                break
            try:
                self._coming[following] = _Visit(*self._lane.fetch(following))
            except torch.OutOfMemoryError:  # by more than was planned runs through the network
                self._limit //= 2
                break

    def _fetched(self, layer: nn.Module) -> _Visit:
        try:
            return _Visit(*self._lane.fetch(layer))
        except torch.OutOfMemoryError:
            self._make_room(self._limit + 1, least_leaving=0)  # all of it
        return _Visit(*self._lane.fetch(layer))

    def _arrived(self, layer: nn.Module) -> _Visit | None:
        """Return the copies of a layer that was sent for; what should have come before it did not run."""
        while self._coming:
            first, visit = next(iter(self._coming.items()))
            del self._coming[first]
            if first is layer:
                return visit
        return None

    def _followers(self, layer: nn.Module) -> Iterator[nn.Module]:
        """Yield the layers that followed last time, one after another, and are not on their way yet.

        One that runs now ends them: it cannot be fetched again yet, and what follows must not come before.
        """
        seen = {layer}
        while (link := self._next.get(layer)) is not None:
            following = link()
            if following is None or following in seen or _VISIT in following.__dict__:
                return
            layer = following
            seen.add(layer)
            if layer not in self._coming:
                yield layer

    def _make_room(self, wanted_bytes: int, least_leaving: int) -> bool:
        """Wait for layers to be done until there is room, but for the newest; tells whether there is."""
        while self._taken + wanted_bytes > self._limit and len(self._leaving) > least_leaving:
            mark, _ = self._leaving.popleft()
            self._lane.wait(mark)
        return self._taken + wanted_bytes <= self._limit

    @property
    def _taken(self) -> int:
        return sum(visit.nbytes for visit in self._coming.values()) + sum(
            visit.nbytes for _, visit in self._leaving
        )


class _NoStream:
    """Copies that are there at once, or that the device itself puts in order."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def fetch(self, layer: nn.Module) -> tuple[Mapping[str, Tensor], None]:
        return {name: tensor.to(self._device) for name, tensor in _tensors(layer)}, None

    def join(self, copies: Mapping[str, Tensor], arrival: None) -> None:
        pass

    def mark(self) -> None:
        pass

    def is_done(self, mark: None) -> bool:
        return True

    def wait(self, mark: None) -> None:
        pass


class _CopyStream:
    """Copies to a CUDA device beside what it computes."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pinned = _PinnedMemory()

    def fetch(self, layer: nn.Module) -> tuple[Mapping[str, Tensor], torch.cuda.Event]:
        _put(layer, {name: self._pinned.moved(tensor) for name, tensor in _tensors(layer)})
        with torch.cuda.stream(self._stream):
            copies = {name: tensor.to(self._device, non_blocking=True) for name, tensor in _tensors(layer)}
            return copies, self._stream.record_event()

    def join(self, copies: Mapping[str, Tensor], arrival: torch.cuda.Event) -> None:
        present = torch.cuda.current_stream(self._device)
        present.wait_event(arrival)
        for copy in copies.values():  # for those that are dropped, with their network, before they are done
            copy.record_stream(present)

    def mark(self) -> torch.cuda.Event:
        event: torch.cuda.Event = torch.cuda.current_stream(self._device).record_event()
        return event

    def is_done(self, mark: torch.cuda.Event) -> bool:
        return bool(mark.query())  # type: ignore[no-untyped-call]

    def wait(self, mark: torch.cuda.Event) -> None:
        mark.synchronize()


class _PinnedMemory:
    """Ordinary memory that does not move, from which a device copies by itself."""

    def __init__(self) -> None:
        self._slabs: list[tuple[Tensor, int]] = []  # with room for more, and how much of them is used
        self._left = psutil.virtual_memory().total // 2  # what is pinned cannot be swapped to disk
        self._is_refused = False

    def moved(self, tensor: Tensor) -> Tensor:
        """Return a tensor there; as it is if it is small, or when half of all memory is taken or refused."""
        is_small = tensor.nbytes < _LEAST_PINNED_BYTES
        if is_small or self._is_refused or self._left <= 0 or not tensor.is_cpu or tensor.is_pinned():
            return tensor
        try:
            return self._packed(tensor)
        except RuntimeError as error:  # Windows gives half of its memory at most
            log.warning("no more pinned memory, copies to the device are slower: %s", error)
            self._is_refused = True
            return tensor

    @torch.inference_mode(False)
    @torch.no_grad()
    def _packed(self, tensor: Tensor) -> Tensor:
        size = -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        fitting = (entry for entry in self._slabs if entry[1] + size <= len(entry[0]))
        slab, used = next(fitting, None) or self._new_slab(size)
        self._slabs = [entry for entry in self._slabs if entry[0] is not slab]
        if len(slab) - used - size >= _LEAST_PINNED_BYTES:
            self._slabs.append((slab, used + size))
        flat = slab[used : used + tensor.nbytes].view(tensor.dtype)
        strides = torch.empty_like(tensor, device="meta").stride()  # as they are, without gaps
        return flat.as_strided(tensor.shape, strides).copy_(tensor)

    def _new_slab(self, least_bytes: int) -> tuple[Tensor, int]:
        slab = torch.empty(max(_SLAB_BYTES, least_bytes), dtype=torch.uint8, pin_memory=True)
        self._left -= len(slab)
        return slab, 0


def _tensors(layer: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield what a layer has, by name; of torch's attention also what is in it."""
    is_whole = isinstance(layer, nn.MultiheadAttention)
    yield from layer.named_parameters(recurse=is_whole)
    yield from layer.named_buffers(recurse=is_whole)


def _put(layer: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    for path, tensor in tensors.items():
        place, _, name = path.rpartition(".")
        holder = layer.get_submodule(place)
        if name in holder._buffers:
            holder._buffers[name] = tensor
        elif isinstance(tensor, nn.Parameter):
            holder._parameters[name] = tensor
        else:
            holder._parameters[name] = nn.Parameter(tensor, requires_grad=False)


def _resting_bytes(layer: nn.Module) -> int:
    return sum(tensor.nbytes for _, tensor in _tensors(layer))
