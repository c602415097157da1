"""What fits where, reckoned from shapes before anything is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import OutOfMemory

TOO_LARGE = "model_too_large"
"""Code of the error for which nothing is left to try."""

LEAST_VISITING_BYTES = 2**28
"""Room on a device that is left to layers which visit it: the present one, and those on their way."""

_LAYERS_AT_ONCE = 3
"""As many of the largest fit into that: one that computes, one before it that is not done, one to come."""

_SMALL_BYTES = 2**20
"""A smaller layer takes longer to fetch than its size tells."""


def visiting_bytes(layers: Mapping[str, int]) -> int:
    """Return what layers that visit a device take there, as many as are there at the same time.

    Args:
        layers: Of the network: path of a module → bytes of its own tensors.
    """
    largest = max(layers.values(), default=0)
    return min(max(LEAST_VISITING_BYTES, _LAYERS_AT_ONCE * largest), sum(layers.values()))


def staying_layers(layers: Mapping[str, int], room: int) -> frozenset[str]:
    """Choose the layers that stay on a device which does not hold a whole network.

    Small ones stay before large ones. Of these those that visit are spread over the network, so that a
    layer is on its way while others compute.

    Args:
        layers: In the order in which they run: path of a module → bytes of its own tensors.
        room: Bytes for those that stay, and for the visits of the others.

    Returns:
        Paths of modules, which take no more than the room together with the visits.
    """
    budget = room - visiting_bytes(layers)
    small = {path: size for path, size in layers.items() if size < _SMALL_BYTES}
    if budget <= sum(small.values()):
        return frozenset()
    large = {path: size for path, size in layers.items() if path not in small}
    share = min((budget - sum(small.values())) / max(sum(large.values()), 1), 1.0)
    staying, seen, stayed = set(small), 0, 0
    for path, size in large.items():
        seen += size
        if stayed + size <= share * seen:
            staying.add(path)
            stayed += size
    return frozenset(staying)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network is loaded for which there is not enough room; its text says so in a sentence.

    Args:
        name: Of the network.
        device: Where it runs.
        needed: Bytes that its weights take.
        free: Bytes that were free for weights.
        leaving: Networks that leave for it.
        staying: Bytes of it that will be on the device.
    """

    name: str
    device: str
    needed: int
    free: int
    leaving: tuple[str, ...] = ()
    staying: int = 0

    @property
    def steps(self) -> list[str]:
        """What is done about it; empty if nothing has to be."""
        steps = [f"{each} moves out" for each in self.leaving]
        if self.device == "cpu":
            return steps or ["it is loaded all the same, and slow if the system has to swap"]
        if not self.staying:
            return [*steps, f"its layers visit {self.device} one by one"]
        if self.staying < self.needed:
            part = f"{gigabytes(self.staying)} of it stay on {self.device}"
            return [*steps, f"{part}, its other layers visit"]
        return steps

    def __str__(self) -> str:
        """Say what is short, and what is done about it."""
        needs = f"{self.name} needs {gigabytes(self.needed)}, {gigabytes(max(self.free, 0))} are free"
        return f"{needs}: {', '.join(self.steps)}"


def too_large(
    name: str, needed: int, device: str, there: float, ordinary: float, *, may_narrow: bool
) -> OutOfMemory:
    """Return the error of a network that cannot be loaded, whatever leaves and however it is streamed.

    Args:
        name: Of the network.
        needed: Bytes of all that it holds.
        device: Where it runs.
        there: All bytes of the device.
        ordinary: All bytes of ordinary memory, through which what visits a device must go.
        may_narrow: Whether its weights could rest in eight bits there, and do not.
    """
    has = f"the computer has {gigabytes(ordinary)}, with what it swaps to disk"
    if device != "cpu":
        has = f"{device} has {gigabytes(there)}, and {has}: not even layer by layer"
    return OutOfMemory(
        f"{name} needs {gigabytes(needed)} of memory and does not fit: {has}",
        code=TOO_LARGE,
        hint="Use a smaller model, or a file of this one in eight bits (fp8), which takes half of 16 bits."
        if may_narrow
        else "Use a smaller model.",
    )


def exhausted(error: OutOfMemory, streamed: Sequence[str]) -> OutOfMemory:
    """Add to an error what was tried.

    Args:
        error: Why there is no room.
        streamed: Names of the networks whose layers visit the device.
    """
    tried = ["every other model has left", *(f"{name} visits layer by layer" for name in streamed)]
    return OutOfMemory(f"{error.message}; {', '.join(tried)}", code=error.code, hint=error.hint)


def gigabytes(count: float) -> str:
    """Say a number of bytes: ``11.2 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
