"""A client of the job service, without a wire between."""

import asyncio

import fake_nodes

from bridge.jobs import JobService
from bridge.protocol import Finished, Frame, Message, Plane, SetStream, State, StreamFrame, Submit

DEADLINE_S = 30


def frame_of(number, side=4, value=0):
    plane = Plane("color", (side, side, 3), "u8", bytes([value]) * (side * side * 3))
    return Frame({"color": plane}, number=number)


SHOW = {"n1": ("Constant", {"value": 3}), "n2": ("Show", {"value": ["1", 0]})}


def steps(count=30, seconds=0.02, label=""):
    return {
        "n1": ("Steps", {"count": count, "seconds": seconds, "label": label}),
        "n2": ("Show", {"value": ["1", 0]}),
    }


WAIT = {"n1": ("Wait", {"gate": "never"}), "n2": ("Show", {"value": ["1", 0]})}
ECHO = {"n1": ("Echo", {})}


DEFINITIONS = fake_nodes.registry().definitions


def workflow_of(**nodes):
    """Make API JSON of ``n1=("Add", {"a": ["2", 0]})``; widgets that are left out get their defaults."""
    return {
        key[1:]: {"class_type": kind, "inputs": {**defaults(kind), **inputs}}
        for key, (kind, inputs) in nodes.items()
    }


def defaults(kind):
    definition = DEFINITIONS.get(kind)
    inputs = definition.inputs if definition else ()
    return {entry.name: entry.default for entry in inputs if entry.default is not None}


class Client:
    """One session: asks the service, and collects what it is told."""

    def __init__(self, service: JobService, session: str) -> None:
        self.service = service
        self.session = session
        self.messages: list[Message] = []
        self.arrived = asyncio.Event()
        self.connect()

    def connect(self):
        self.service.connect(self.session, self.take)

    def take(self, message):
        self.messages.append(message)
        self.arrived.set()

    async def submit(self, request="", values=None, frame=None, **nodes):
        message = Submit("request", workflow_of(**nodes), values=values or {}, frame=frame)
        return (await self.service.submit(self.session, message)).job

    async def set_stream(self, stream="view", **nodes):
        return await self.service.set_stream(self.session, SetStream("request", stream, workflow_of(**nodes)))

    def push(self, frame, stream="view"):
        self.service.push_frame(self.session, StreamFrame(stream, frame))

    def of(self, kind, **fields):
        return [
            message
            for message in self.messages
            if isinstance(message, kind)
            and all(getattr(message, name) == value for name, value in fields.items())
        ]

    async def until(self, kind, count=1, **fields):
        """Wait for messages with these fields; return the last one."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self.of(kind, **fields)) < count:
                self.arrived.clear()
                await self.arrived.wait()
        return self.of(kind, **fields)[-1]

    async def finished(self, job):
        return await self.until(Finished, job=job)

    async def state(self, worker):
        async with asyncio.timeout(DEADLINE_S):
            while self.service.state.worker != worker:
                self.arrived.clear()
                await self.arrived.wait()
        return self.of(State)[-1]
