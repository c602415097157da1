"""The clients of ComfyUI's API: which connections they have, and what they missed.

1. A client is whoever gives a ``clientId``; its jobs belong to the session ``comfy:<clientId>``. Jobs of
   nobody belong to ``comfy:``, and nobody hears of them.
2. What is said to a client goes to its newest connection; when that ends, to the one before.
3. What is said while it has none is kept for it: ``KEPT_MESSAGES`` at most, and nothing that is passing.
   A client that comes back hears it first; and of a job that runs, that it has begun, and which node runs.
4. ``status`` goes to everybody: when a job came, when it begins, and after its last word.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from bridge.comfy.outlet import Outlet, size_of
from bridge.comfy.pictures import PictureStore
from bridge.comfy.story import Story
from bridge.comfy.told import Event, Told
from bridge.jobs import JobRecord, JobService
from bridge.protocol import Finished, Message, Result, Started, State

PREFIX = "comfy:"
"""How the names of sessions of this API begin."""

KEPT_MESSAGES = 1000
KEPT_BYTES = 8 * 1024**2

ABSENT_CLIENTS = 64
"""Clients without a connection that are remembered, besides those that have jobs or are giving one."""

KEPT_STORIES = 1000
"""Ended jobs whose milestones are remembered."""


class Client:
    """One client: its connections, newest last, and what it missed."""

    def __init__(self, client_id: str) -> None:
        self.id = client_id
        self.outlets: list[Outlet] = []
        self.takes_metadata = False
        self.story: Story | None = None
        self._missed: deque[Told] = deque()
        self._missed_bytes = 0

    def tell(self, message: Told) -> None:
        """Send a message, or keep it (rules 2 and 3)."""
        if self.outlets:
            self.outlets[-1].put(message)
        elif self.id and not message.is_passing:
            self._missed.append(message)
            self._missed_bytes += size_of(message)
            while len(self._missed) > KEPT_MESSAGES or self._missed_bytes > KEPT_BYTES:
                self._missed_bytes -= size_of(self._missed.popleft())

    def has_missed(self, message: Told) -> bool:
        """Whether a message is kept for it."""
        return message in self._missed

    def catch_up(self) -> None:
        """Say again what was missed."""
        missed, self._missed, self._missed_bytes = self._missed, deque(), 0
        for message in missed:
            self.tell(message)


class Hub:
    """All clients.

    Args:
        service: Runs their jobs.

    Attributes:
        pictures: Which clients and nodes hand each other in memory.
    """

    def __init__(self, service: JobService) -> None:
        self.pictures = PictureStore()
        self._service = service
        self._clients: dict[str, Client] = {}
        self._absent: OrderedDict[str, None] = OrderedDict()
        self._held: Counter[str] = Counter()
        self._ended: OrderedDict[str, Sequence[tuple[str, Mapping[str, Any]]]] = OrderedDict()
        self._told_remaining = 0
        self._awaited: dict[str, list[asyncio.Future[None]]] = {}
        service.connect(PREFIX, partial(self._hear, self._new_client("")))

    def enter(self, client_id: str, outlet: Outlet) -> None:
        """Give a client one more connection; what it missed is said first."""
        client = self.client(client_id)
        self._absent.pop(client_id, None)
        is_back = not client.outlets
        client.outlets.append(outlet)
        outlet.put(Event("status", {**self._status(), "sid": client_id}, is_passing=True))
        start = _start_of(client.story)
        is_told = start is None or client.has_missed(start)
        if is_back:
            client.catch_up()
        if start and not is_told:
            outlet.put(start)
        if client.story and client.story.running:
            outlet.put(Event("executing", {"node": client.story.running, "prompt_id": client.story.job_id}))

    def leave(self, client_id: str, outlet: Outlet) -> None:
        """Take a connection from a client; what it had not been sent goes to another, or is kept."""
        client = self._clients[client_id]
        client.outlets.remove(outlet)
        for message in outlet.take():
            if not message.is_passing:
                client.tell(message)
        if not client.outlets:
            self._absent[client_id] = None
            self._make_room()

    def warm_up(self) -> None:
        """Prepare for pictures, as somebody looks at a page who may want one soon."""
        self._service.warm_up()

    def client(self, client_id: str) -> Client:
        """Return a client, who may be new; from now on it is told of its jobs."""
        client = self._clients.get(client_id)
        if client is None:
            client = self._new_client(client_id)
            self._absent[client_id] = None
            self._service.connect(PREFIX + client_id, partial(self._hear, client))
            self._make_room()
        return client

    @contextmanager
    def holding(self, client_id: str) -> Iterator[Client]:
        """Return a client, who may be new, and is not forgotten while its job is on the way to the queue."""
        self._held[client_id] += 1
        try:
            yield self.client(client_id)
        finally:
            self._held[client_id] -= 1
            if not self._held[client_id]:
                del self._held[client_id]

    def milestones(self, record: JobRecord) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Return what was said of an ended job; of one that ended long ago, the outline."""
        return self._ended.get(record.id) or outline(record)

    async def until_ended(self, job_id: str) -> None:
        """Wait for a job's last word."""
        record = self._service.record(job_id)
        if record is None or record.ended_at:
            return
        self.client(record.session.removeprefix(PREFIX))  # whose messages are heard from now on, if not yet
        future = asyncio.get_running_loop().create_future()
        self._awaited.setdefault(job_id, []).append(future)
        await future

    def _new_client(self, client_id: str) -> Client:
        client = self._clients[client_id] = Client(client_id)
        return client

    def _make_room(self) -> None:
        """Forget the clients that are away for longest and have no jobs; never the newest."""
        surplus = len(self._absent) - ABSENT_CLIENTS
        if surplus <= 0:
            return
        busy = {record.session for record in self._service.jobs()}
        busy.update(PREFIX + client_id for client_id in self._held)
        idle = [client_id for client_id in list(self._absent)[:-1] if PREFIX + client_id not in busy]
        for client_id in idle[:surplus]:
            del self._absent[client_id], self._clients[client_id]
            self._service.disconnect(PREFIX + client_id)

    def _hear(self, client: Client, message: Message) -> None:
        if isinstance(message, State):
            if not client.id and message.queue_remaining != self._told_remaining:
                self._tell_status()
            return
        if isinstance(message, Result) and self.pictures.take_in(message):
            return
        job_id: str = getattr(message, "job", "")
        if isinstance(message, Started):
            self._tell_status()
            client.story = self._story(job_id)
        story = client.story
        if story is None or story.job_id != job_id:
            if isinstance(message, Finished) and message.state == "cancelled":  # it never began
                self._wake(job_id)
                return
            story = client.story = self._story(job_id)
        for event in story.tell(message):
            client.tell(event)
        if isinstance(message, Finished):
            self._end(client, story)

    def _story(self, job_id: str) -> Story:
        def prompt() -> Mapping[str, Any]:
            record = self._service.record(job_id)
            return record.prompt if record else {}

        return Story(job_id, prompt)

    def _end(self, client: Client, story: Story) -> None:
        client.story = None
        self._ended[story.job_id] = tuple(story.milestones)
        if len(self._ended) > KEPT_STORIES:
            self._ended.popitem(last=False)
        self._tell_status()
        client.tell(Event("executing", {"node": None, "prompt_id": story.job_id}))
        self._wake(story.job_id)

    def _wake(self, job_id: str) -> None:
        for future in self._awaited.pop(job_id, ()):
            if not future.done():
                future.set_result(None)

    def _tell_status(self) -> None:
        self._told_remaining = self._service.state.queue_remaining
        event = Event("status", self._status(), is_passing=True)
        for client in self._clients.values():
            for outlet in client.outlets:
                outlet.put(event)

    def _status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self._service.state.queue_remaining}}}


def _start_of(story: Story | None) -> Event | None:
    """Return what was said when a job began; nothing if none runs."""
    kind, data = story.milestones[0] if story and story.milestones else ("", {})
    return Event(kind, data) if kind == "execution_start" else None


def outline(record: JobRecord) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the milestones of a job as its record tells them."""
    began, ended = int(record.began_at * 1000), int(record.ended_at * 1000)
    story = Story(record.id, lambda: record.prompt)
    list(story.tell(Started(job=record.id)))
    state = record.state
    list(story.tell(Finished(state, job=record.id, problems=record.problems)))
    times = [began, *[ended] * len(story.milestones)]
    return [
        (kind, {**data, "timestamp": when})
        for (kind, data), when in zip(story.milestones, times, strict=False)
    ]
