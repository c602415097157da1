"""A node library without torch: what engine and job tests run, in this process and in real workers."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from bridge.engine import (
    DynamicPrompt,
    ExecutionBlocker,
    Expansion,
    NodeLibrary,
    current_job,
    current_node,
)
from bridge.errors import InputError
from bridge.graph import (
    ALWAYS,
    Hidden,
    Lazy,
    Link,
    ListOf,
    RawLink,
    Registry,
    Socket,
    WorkflowNode,
    node,
)
from bridge.protocol import Plane

Number = Annotated[int, Socket("NUMBER")]
Anything = Annotated[Any, Socket("*")]
Number_or_none = Annotated[int | None, Socket("NUMBER")]

CALLS: Counter[str] = Counter()
"""How often each node ran in this process."""

EVENTS: list[tuple[str, int]] = []
"""Job and step number of each step that ran in this process."""

GATES: dict[str, asyncio.Event] = {}
"""What ``Wait`` waits for, by name."""

FREED: list[str] = []


class OutOfMemoryError(RuntimeError):
    """Named like torch's."""


@node("Constant", category="fake")
def constant(value: int = 0) -> Number:
    """Give a number."""
    CALLS["Constant"] += 1
    return value


@node("Add", category="fake")
def add(a: Number, b: Number, c: Number_or_none = None) -> Number:
    """Add two or three numbers."""
    CALLS["Add"] += 1
    return a + b + (c or 0)


@node("Show", category="fake", is_output=True)
def show(value: Anything) -> None:
    """Show a value."""
    CALLS["Show"] += 1
    current_job().show({"values": [value]})


@node("SlowShow", category="fake", is_output=True)
async def slow_show(value: Anything) -> None:
    """Show a value after a while."""
    EVENTS.append(("slow", 0))
    await asyncio.sleep(0.02)
    await asyncio.sleep(0.02)
    current_job().show({"values": [value]})


@node("Save", category="fake", is_output=True)
def save(value: Anything) -> None:
    """Write a file and show it."""
    CALLS["Save"] += 1
    folder = current_job().folders.output / "sub"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{value}.png").touch()
    current_job().show({"images": [{"filename": f"{value}.png", "subfolder": "sub", "type": "output"}]})


@node("Split", category="fake", outputs=("quotient", "remainder"))
def split(value: Number, by: int = 10) -> tuple[Number, Number]:
    """Divide with remainder."""
    return divmod(value, by)


@node("Count", category="fake")
def count(to: int = 3) -> Annotated[Number, ListOf()]:
    """Give 0, 1, 2 … one by one."""
    return list(range(to))


@node("Total", category="fake", takes_lists=True)
def total(values: Number) -> Number:
    """Add up a list."""
    CALLS["Total"] += 1
    return sum(values)


@node("Pack", category="fake", takes_lists=True)
def pack(values: Number) -> Anything:
    """Make one value of a list."""
    return values


@node("Switch", category="fake", needs=lambda on, **_: ["yes" if on else "no"])
def switch(on: bool, yes: Annotated[Number, Lazy()], no: Annotated[Number, Lazy()]) -> Number:
    """Take one of two."""
    CALLS["Switch"] += 1
    return yes if on else no


@node("Frail", category="fake", needs=lambda: 1 // 0)
def frail(value: Annotated[Number_or_none, Lazy()] = None) -> Number:
    """Cannot say what it needs."""
    return value


@node("Hidden", category="fake")
def hidden(
    node_id: Annotated[str, Hidden("UNIQUE_ID")],
    prompt: Annotated[dict, Hidden("PROMPT")],
    extra: Annotated[dict, Hidden("EXTRA_PNGINFO")],
    other: Annotated[Any, Hidden("SOMETHING_ELSE")],
) -> Anything:
    """Give what only the engine knows."""
    return {"id": node_id, "prompt": sorted(prompt), "extra": dict(extra), "other": other}


@node("Steps", category="fake")
async def steps(count: int = 4, seconds: float = 0.0, label: str = "") -> Number:
    """Take turns at the device."""
    job = current_job()
    for index in range(count):
        async with job.step():
            EVENTS.append((job.id, index))
            if seconds:
                time.sleep(seconds)
        job.progress(index + 1, count)
        if job.wants_preview:
            job.preview(Plane("preview", (1, 1, 3), "u8", bytes([index, 0, 0])))
    return count


@node("FrameSteps", category="fake", fingerprint=lambda: current_job().frame.number)
async def frame_steps(count: int = 4, seconds: float = 0.0) -> Number:
    """Take turns at the device for every frame."""
    return await steps(count, seconds)


@node("Wait", category="fake")
async def wait(gate: str = "gate", value: int = 1) -> Number:
    """Wait for something that is not the device."""
    CALLS["Wait"] += 1
    current_job().progress(0, 1)
    await GATES.setdefault(gate, asyncio.Event()).wait()
    current_job().progress(1, 1)
    return value


@node("WaitFor", category="fake")
async def wait_for(value: Number, fails_at: int = -1) -> Number:
    """Wait for a gate named like the value."""
    CALLS["WaitFor"] += 1
    if value == fails_at:
        raise ValueError
    await GATES.setdefault(str(value), asyncio.Event()).wait()
    current_job().show({"waited": [value]})
    return value


@node("Fail", category="fake")
def fail(value: Number_or_none = None, how: str = "value") -> Number:
    """Fail in one of many ways."""
    raise {
        "value": ValueError("first line\nsecond line"),
        "silent": ValueError(),
        "surrogate": ValueError("\udcff"),
        "memory": OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        "host memory": MemoryError(),
        "allocator": RuntimeError("DefaultCPUAllocator: can't allocate memory: 99 bytes"),
        "ours": InputError("the depth is all infinite", hint="Point the camera at something."),
        "exit": SystemExit(3),
        "interrupt": KeyboardInterrupt(),
        "cancelled": asyncio.CancelledError(),
    }[how]


@node("Stage", category="fake")
def stage(name: str, value: Number_or_none = None, how: str = "") -> Number:
    """Be a stage of making a picture, and fail if told how."""
    CALLS[name] += 1
    return fail(how=how) if how else 1


@node("SampleStage", category="fake")
async def sample_stage(name: str, value: Number_or_none = None, how: str = "") -> Number:
    """Be the stage that takes turns at the device; fail while it has its second."""
    await steps(1)
    async with current_job().step():
        return stage(name, value, how)


@node("Abort", category="fake", is_output=True)
def abort(value: Number_or_none = None) -> None:
    """Take the process down."""
    print("about to abort")
    sys.stdout.flush()
    os.abort()


@node("AbortOnce", category="fake")
def abort_once(marker: str, value: Number_or_none = None) -> Number:
    """Take the process down the first time, as the file ``marker`` remembers."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return 1
    os.abort()


@node("Hang", category="fake")
def hang(seconds: float = 3600.0) -> Number:
    """Hold the event loop."""
    current_job().progress(0, 1)
    time.sleep(seconds)
    return 0


@node("Unsayable", category="fake", is_output=True)
def unsayable(value: str = "nan") -> None:
    """Show what JSON cannot say."""
    deep: Any = []
    for _ in range(200):
        deep = [deep]
    current_job().show({"value": {"nan": float("nan"), "object": object(), "deep": deep}[value]})


@node("WrongCount", category="fake")
def wrong_count(returns: int = 3) -> tuple[Number, Number]:
    """Return another number of results than declared."""
    return (0,) * returns if returns else None


@node("Changing", category="fake", fingerprint=lambda value: CALLS["world"] if value else float("nan"))
def changing(value: int = 1) -> Number:
    """Depend on the world: on a counter, or on nothing one can know."""
    CALLS["Changing"] += 1
    return CALLS["Changing"]


SEEN: list[Any] = []
"""What fingerprints were given."""


@node("Watching", category="fake", fingerprint=lambda value, other: SEEN.append((value, other)))
def watching(value: Number, other: int = 1) -> Number:
    """Have a fingerprint that keeps what it was given."""
    return value + other


@node("Unknowable", category="fake", fingerprint=lambda: 1 // 0)
def unknowable() -> Number:
    """Have a fingerprint that fails."""
    CALLS["Unknowable"] += 1
    return 1


@node("FrameNumber", category="fake", fingerprint=lambda: current_job().frame.number)
def frame_number() -> Number:
    """Give the number of the job's frame."""
    return current_job().frame.number


@node("Echo", category="fake", is_output=True, fingerprint=ALWAYS)
def echo(value: Number_or_none = None) -> None:
    """Send the frame's planes back."""
    CALLS["Echo"] += 1
    frame = current_job().frame
    planes = frame.planes.values() if frame else [Plane("image", (1, 1, 3), "u8", bytes(3))]
    current_job().send(tuple(planes))


@node("Freed", category="fake", fingerprint=ALWAYS)
def freed() -> Number:
    """Give how often memory was given back in this process."""
    return len(FREED)


@node("Picture", category="fake")
def picture(megabytes: int = 1, seed: int = 0) -> Anything:
    """Make something large."""
    CALLS["Picture"] += 1
    return bytes(megabytes * 2**20)


@node("TimesTen", category="fake")
def times_ten(value: Number, node_id: Annotated[str, Hidden("UNIQUE_ID")]) -> Number:
    """Expand to five doublings' worth of additions, and show the way there."""
    CALLS["TimesTen"] += 1
    nodes = {
        "twice": WorkflowNode("", "Add", {"a": value, "b": value}),
        "four": WorkflowNode("", "Add", {"a": Link("twice", 0), "b": Link("twice", 0)}),
        "ten": WorkflowNode("", "Add", {"a": Link("four", 0), "b": Link("four", 0), "c": Link("twice", 0)}),
        "shown": WorkflowNode("", "Show", {"value": Link("twice", 0)}),
        "unused": WorkflowNode("", "Fail"),
    }
    return Expansion((Link("ten", 0),), nodes)


@node("Expand", category="fake")
def expand(value: Number_or_none = None, how: str = "value", depth: int = 3) -> Number:
    """Expand in one of many ways, most of them wrong."""
    me = current_node()
    ways = {
        "value": Expansion((depth,)),
        "deep": Expansion(
            (Link("next", 0),),
            {"next": WorkflowNode("", "Expand", {"how": "deep" if depth else "value", "depth": depth - 1})},
        ),
        "duplicate": Expansion((Link(f"{me}.x", 0),), {f"{me}.x": _FAIL, "x": _FAIL, f"{me}.0.x": _FAIL}),
        "unknown node": Expansion((Link("x", 0),), {"x": WorkflowNode("", "Nonsense")}),
        "unknown output": Expansion((1,), {"x": WorkflowNode("", "Nonsense")}),
        "no such link": Expansion((Link("x", 0),)),
        "no such slot": Expansion((Link("x", 1),), {"x": WorkflowNode("", "Constant")}),
        "cycle": Expansion((Link("x", 0),), {"x": WorkflowNode("", "Add", {"a": Link("x", 0), "b": 1})}),
        "waits for itself": Expansion(
            (Link("x", 0),), {"x": WorkflowNode("", "Add", {"a": Link(me, 0), "b": 1})}
        ),
        "fails": Expansion((Link("x", 0),), {"x": _FAIL}),
        "steps": Expansion((Link("x", 0),), {"x": WorkflowNode("", "Steps", {"count": 1})}),
        "sends": Expansion((1,), {"x": WorkflowNode("", "Echo")}),
        "object": Expansion((Link("x", 0),), {"x": WorkflowNode("", "Keep", {"value": object()})}),
        "own names": Expansion(
            (Link(f"{me}.x", 0),), {f"{me}.x": WorkflowNode("", "Constant", {"value": 7})}
        ),
        "wrong count": Expansion((1, 2)),
    }
    CALLS["Expand"] += 1
    return ways[how]


_FAIL = WorkflowNode("", "Fail")


@node("Block", category="fake")
def block(value: Number, above: int = 0, message: str = "") -> Number:
    """Let small numbers through."""
    return value if value <= above else ExecutionBlocker(message)


@node("BlockBoth", category="fake")
def block_both(message: str = "") -> tuple[Number, Annotated[Number, ListOf()]]:
    """Give nothing, in either slot."""
    return ExecutionBlocker(message)


@node("Warn", category="fake")
def warn(value: int = 0, times: int = 1, code: str = "odd") -> Number:
    """Find something odd, over and over."""
    CALLS["Warn"] += 1
    for _ in range(times):
        current_job().warn(code, f"{value} is odd", "Take another.", "value")
    return value


@node("WarnInside", category="fake")
def warn_inside() -> Number:
    """Expand to a node that warns."""
    return Expansion((Link("odd", 0),), {"odd": WorkflowNode("", "Warn", {"value": 3})})


@node("BlockInside", category="fake")
def block_inside(message: str = "") -> Number:
    """Expand to nodes of which one is blocked, and one is not."""
    nodes = {
        "no": WorkflowNode("", "BlockBoth", {"message": message}),
        "shown": WorkflowNode("", "Show", {"value": Link("no", 0)}),
        "yes": WorkflowNode("", "Constant", {"value": 5}),
    }
    return Expansion((Link("yes", 0),), nodes)


@node("Repeat", category="fake")
def repeat(
    last: Annotated[Link, RawLink(), Socket("NUMBER")],
    prompt: Annotated[DynamicPrompt, Hidden("DYNPROMPT")],
    node_id: Annotated[str, Hidden("UNIQUE_ID")],
    times: int = 2,
) -> Number:
    """Put the additions before it one after the other, as often as asked."""
    addition = prompt[last.node_id]
    assert prompt.parent(node_id) is None
    assert prompt.display(node_id) == node_id
    assert {node_id, last.node_id} <= set(prompt)
    nodes: dict[str, WorkflowNode] = {}
    for number in range(times):
        nodes[f"n{number}"] = WorkflowNode(
            "", addition.class_type, {**addition.inputs, "a": last, "b": addition.inputs["b"]}
        )
        last = Link(f"n{number}", 0)
    return Expansion((last,), nodes)


@node("Dice", category="fake", is_idempotent=False)
def dice(sides: int = 6) -> Number:
    """Give another number each time it runs."""
    CALLS["Dice"] += 1
    return CALLS["Dice"]


@node("Keep", category="fake")
def keep(value: Anything) -> Anything:
    """Give back what it gets."""
    CALLS["Keep"] += 1
    return value


def registry() -> Registry:
    """Collect the nodes above."""
    return Registry.of_package(sys.modules[__name__])


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring these nodes to a worker."""
    return NodeLibrary(
        registry(), {"device": "fake", "settings": dict(settings)}, lambda: FREED.append("models")
    )


def load_pack(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, as a pack that others wrote."""
    return NodeLibrary(registry(), packs={"own": {}})


def load_warming(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, and count how often they are prepared for pictures."""
    return NodeLibrary(registry(), warm_up=lambda: FREED.append("prepared"))


def load_slowly_warming(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, and take longer to prepare them than a run may be silent."""
    return NodeLibrary(registry(), warm_up=lambda: time.sleep(1.5))


def load_deadly_warming(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, and die of preparing them."""
    return NodeLibrary(registry(), warm_up=os.abort)


def load_telling(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, and tell how long threads of OpenMP spin."""
    return NodeLibrary(registry(), {"spins": os.environ.get("GOMP_SPINCOUNT", "")})


def load_cold(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, but fail to prepare them."""

    def warm_up() -> None:
        raise ImportError("No module named 'diffusers'")

    return NodeLibrary(registry(), warm_up=warm_up)


def load_badly(settings: Mapping[str, Any]) -> NodeLibrary:
    """Fail as a broken installation does."""
    raise ImportError("No module named 'torch'")


def load_nothing(settings: Mapping[str, Any]) -> NodeLibrary:
    """Fail with an error of ours."""
    raise InputError("no device called cuda:7", code="no_device", hint="Choose cpu.")


def load_and_die(settings: Mapping[str, Any]) -> NodeLibrary:
    """Die before there is anything to say."""
    os._exit(7)


def load_never(settings: Mapping[str, Any]) -> NodeLibrary:
    """Take for ever."""
    while True:
        time.sleep(60)


def load_interrupted(settings: Mapping[str, Any]) -> NodeLibrary:
    """Raise what only Ctrl-C should."""
    raise KeyboardInterrupt


def load_or_die(settings: Mapping[str, Any]) -> NodeLibrary:
    """Die, hang, fail or load, as the file ``settings["input"]`` says at the time."""
    with open(settings["input"]) as file:
        how = file.read().strip()
    return {
        "die": load_and_die,
        "hang": load_never,
        "fail": load_badly,
        "load": load,
    }[how](settings)


def load_frail(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the nodes, but fail to give memory back."""

    def free() -> None:
        raise RuntimeError("the driver is gone")

    return NodeLibrary(registry(), {"device": "fake"}, free)
