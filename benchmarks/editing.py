"""What the engine itself costs: whole runs, edits of one widget, and two cameras in turn.

The graph has the shape of an everyday workflow with two ControlNets and a LoRA: 20 nodes, but each only gives
back a number, so that what is left is the engine. Counted is what the worker does for a run (reading the
workflow, keys, cache, order), and apart from that what the daemon does (reading and validating it).
"""

import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter, thread_time
from typing import Annotated, Any

from bridge.engine import Cache, Folders, Job, current_job, execute
from bridge.graph import Registry, Socket, node, parse_workflow, validate
from bridge.protocol import Frame, Plane

Value = Annotated[int, Socket("VALUE")]

RAN: Counter[int] = Counter()
"""How often a node ran, by its own number."""


@node("Work", category="benchmark", is_output=True)
def work(number: int, setting: int = 0, a: Value | None = None, b: Value | None = None) -> Value:
    """Give a number that depends on all inputs."""
    RAN[number] += 1
    return hash((number, setting, a, b))


def view_number() -> int:
    """Return what tells the frames of the benchmark apart."""
    frame = current_job().frame
    assert frame
    return frame.number


@node("Camera", category="benchmark", fingerprint=view_number)
def camera() -> Value:
    """Give a number that depends on the frame."""
    RAN[0] += 1
    return view_number()


PARENTS: Mapping[int, tuple[int, ...]] = {
    1: (),  # checkpoint
    2: (1,),  # LoRA
    3: (2,),  # prompt
    4: (2,),  # negative prompt
    5: (),  # ControlNet
    6: (),  # ControlNet
    7: (0,),  # depth
    8: (0,),  # lines
    9: (3, 5),  # apply, picture in 10
    10: (9, 7),
    11: (10, 6),
    12: (11, 8),
    13: (0,),  # scale
    14: (13, 1),  # encode
    15: (2, 12),  # guide
    16: (15, 4),
    17: (16, 14),  # sample
    18: (17, 1),  # decode
    19: (18,),  # save
}
"""What each node is linked to; 0 is the camera."""

WARM_UP = 20
"""Rounds that are not counted."""

EDITS = {3: 10, 4: 5, 9: 9, 17: 3, 18: 2}
"""Nodes whose widget is edited in turn, and how many nodes depend on it, themselves included."""


def graph(settings: Mapping[int, int]) -> dict[str, Any]:
    """Return the workflow with some settings changed."""
    nodes: dict[str, Any] = {"0": {"class_type": "Camera", "inputs": {}}}
    for number, parents in PARENTS.items():
        links = {name: [str(parent), 0] for name, parent in zip("ab", parents, strict=False)}
        inputs = {"number": number, "setting": settings.get(number, 0), **links}
        nodes[str(number)] = {"class_type": "Work", "inputs": inputs}
    return nodes


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that went by, and seconds of the processor; the latter do not count other processes."""

    wall: float
    processor: float


class Bench:
    """One engine with a cache that stays."""

    def __init__(self, folders: Folders) -> None:
        self._registry = Registry([work.node, camera.node])  # type: ignore[attr-defined]
        self._cache = Cache(2**26)
        self._folders = folders
        self._costs: defaultdict[str, list[Cost]] = defaultdict(list)

    def validate(self, settings: Mapping[int, int]) -> dict[str, Any]:
        """Do the daemon's part of a run."""
        workflow = parse_workflow(graph(settings))
        return validate(workflow, self._registry.definitions, lambda folder: ()).workflow.to_json()

    async def run(self, settings: Mapping[int, int], view: int = 0, kind: str = "") -> int:
        """Do the daemon's and the worker's part of a run; return how many nodes ran.

        Args:
            settings: Of some nodes.
            view: Number of the frame.
            kind: Where to note what it cost; nowhere if empty.
        """
        frame = Frame({"color": Plane("color", (1, 1, 3), "u8", bytes(3))}, number=view)
        job = Job("benchmark", self._folders, frame=frame)
        RAN.clear()
        began = perf_counter(), thread_time()
        data = self.validate(settings)
        half = perf_counter(), thread_time()
        await execute(parse_workflow(data), ["19"], self._registry, self._cache, job)
        end = perf_counter(), thread_time()
        if kind:
            self._costs["validation, in the daemon"].append(Cost(half[0] - began[0], half[1] - began[1]))
            self._costs[kind].append(Cost(end[0] - half[0], end[1] - half[1]))
        return RAN.total()

    @property
    def costs(self) -> dict[str, tuple[float, float, float]]:
        """Of each kind of run the median, the processor's median, and what 95 % of those do not exceed."""
        found = {}
        for kind, costs in self._costs.items():
            processor = [cost.processor for cost in costs]
            percentile_95 = statistics.quantiles(processor, n=20)[-1]
            wall = statistics.median(cost.wall for cost in costs)
            found[kind] = wall, statistics.median(processor), percentile_95
        return found


async def overhead(folders: Folders, rounds: int) -> dict[str, tuple[float, float, float]]:
    """Return what each kind of run costs, in seconds; see ``Bench.costs``.

    Args:
        folders: Any.
        rounds: How many runs of each kind are counted; of edits, as many for each widget.
    """
    bench = Bench(folders)
    for number in range(-WARM_UP, rounds):
        new, nothing, edit = (
            (kind if number >= 0 else "") for kind in ("all 20 nodes new", "nothing new", "one widget edited")
        )
        settings = dict.fromkeys(PARENTS, number)
        assert await bench.run(settings, number, new) == 1 + len(PARENTS)
        assert await bench.run(settings, number, nothing) == 0
        for edited, count in EDITS.items():
            assert await bench.run({**settings, edited: rounds + 1}, number, edit) == count
    for view in (-1, -2):
        await bench.run({}, view)
    for number in range(rounds):
        assert await bench.run({}, -1 - number % 2, "two cameras in turn") == 0
    return bench.costs
