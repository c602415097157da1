"""Live streams: the newest frame wins.

1. Of each stream one frame at most is in the worker, and one waits; a newer one replaces that.
2. When a stream's workflow changes, the frame in the worker is cancelled, and the newest frame seen is
   run through the new workflow, even if the view stands still.
3. A frame under which the worker died is tried again, or the newer one in its place. After
   ``MAX_RETRIES`` such deaths in a row the stream refuses frames until its workflow changes.
4. Streams end with the connection of their session.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count

from bridge.engine import Run
from bridge.errors import BridgeError, Problem
from bridge.jobs.dispatch import Candidate, Dispatcher
from bridge.jobs.prepare import Prepared
from bridge.jobs.queue import MAX_RETRIES, crashed
from bridge.jobs.sessions import Sessions
from bridge.protocol import (
    Finished,
    Frame,
    Message,
    Preview,
    Progress,
    Result,
    SetStream,
    Started,
    StreamFrame,
)

MAX_STREAMS = 8
"""Of one session; each keeps its newest frame."""


@dataclass(slots=True, eq=False)
class LiveStream:
    """One stream.

    Args:
        session: Whose it is.
        name: The client's name for it.
        prepared: What it runs.
        wants_preview: Whether to show pictures while sampling.
        waiting: The frame to run next.
        newest: The last one that came; kept for a change of workflow.
        run: The id of the run in the worker; empty if there is none.
        number: The number of the frame in the worker.
        dropped: Frames replaced since the last ``Finished``.
        crashes: Deaths of the worker under it, in a row.
        refusal: Why it takes no frames.
        shown: The last picture that its client got.
    """

    session: str
    name: str
    prepared: Prepared
    wants_preview: bool
    waiting: Frame | None = None
    newest: Frame | None = None
    run: str = ""
    number: int = 0
    dropped: int = 0
    crashes: int = 0
    refusal: Problem | None = None
    shown: Result | None = None


class Streams:
    """The streams of all clients.

    Args:
        dispatcher: Where their frames run.
        sessions: Where their messages go.
        on_change: Called when a frame could begin, or has ended.
    """

    def __init__(self, dispatcher: Dispatcher, sessions: Sessions, on_change: Callable[[], None]) -> None:
        self._dispatcher = dispatcher
        self._sessions = sessions
        self._on_change = on_change
        self._streams: dict[tuple[str, str], LiveStream] = {}
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._streams)

    def __iter__(self) -> Iterator[LiveStream]:
        return iter(self._streams.values())

    def set(self, session: str, message: SetStream, prepared: Prepared) -> None:
        """Open a stream, or change what it runs (rule 2).

        Raises:
            BridgeError: ``too_many_streams``.
        """
        key = session, message.stream
        stream = self._streams.get(key)
        if stream is None:
            if sum(owner == session for owner, _ in self._streams) >= MAX_STREAMS:
                raise BridgeError(
                    f"this client has {MAX_STREAMS} live streams already",
                    code="too_many_streams",
                    hint="Close one first.",
                )
            self._streams[key] = LiveStream(session, message.stream, prepared, message.wants_preview)
            return
        is_same = stream.prepared.runs_like(prepared)
        stream.prepared, stream.wants_preview = prepared, message.wants_preview
        if is_same:
            return
        stream.crashes, stream.refusal = 0, None
        stream.waiting = stream.waiting or stream.newest
        if stream.run:
            self._dispatcher.cancel(stream.run)
        self._on_change()

    def push(self, session: str, message: StreamFrame) -> None:
        """Take a stream's newest frame.

        Raises:
            BridgeError: ``stream_not_found``; ``worker_crashed`` (rule 3).
        """
        stream = self._streams.get((session, message.stream))
        if stream is None:
            raise BridgeError(
                f'there is no stream "{message.stream[:80]}"',
                code="stream_not_found",
                hint="Send set_stream first.",
            )
        stream.newest = message.frame
        if stream.refusal:
            raise BridgeError(stream.refusal.message, code=stream.refusal.code, hint=stream.refusal.hint)
        stream.dropped += stream.waiting is not None
        stream.waiting = message.frame
        self._on_change()

    def close(self, session: str, name: str) -> None:
        """End a stream; its running frame is cancelled. One that does not exist has ended already."""
        stream = self._streams.pop((session, name), None)
        if stream:
            stream.waiting = None
            if stream.run:
                self._dispatcher.cancel(stream.run)

    def close_session(self, session: str) -> None:
        """End all streams of a session."""
        for owner, name in list(self._streams):
            if owner == session:
                self.close(owner, name)

    def close_all(self) -> None:
        """End all streams."""
        for session, name in list(self._streams):
            self.close(session, name)

    def fail_waiting(self, problem: Problem) -> None:
        """Answer the frames that wait with a failure."""
        for stream in self._streams.values():
            if stream.waiting and not stream.run:
                stream.number, stream.waiting = stream.waiting.number, None
                self._end(stream, Finished("failed", problems=(problem,)))

    def candidates(self) -> Sequence[Candidate]:
        """Return the frames that wait for nothing but the worker."""
        return [
            self._candidate(stream, stream.waiting)
            for stream in self._streams.values()
            if stream.waiting and not stream.run
        ]

    def _candidate(self, stream: LiveStream, frame: Frame) -> Candidate:
        prepared = stream.prepared
        run = Run(
            f"frame-{next(self._numbers)}",
            prepared.workflow,
            prepared.outputs,
            prompt=prepared.prompt,
            frame=frame,
            wants_preview=stream.wants_preview,
        )
        return Candidate(
            run,
            is_suspect=stream.crashes > 0,
            on_begin=partial(self._begin, stream, run.job, frame.number),
            on_message=partial(self._hear, stream),
            on_finish=partial(self._end, stream),
            on_lost=partial(self._lose, stream),
            session=stream.session,
            attempt=stream.crashes + 1,
        )

    def _begin(self, stream: LiveStream, run_id: str, number: int) -> None:
        stream.run, stream.number, stream.waiting = run_id, number, None

    def _hear(self, stream: LiveStream, message: Message) -> None:
        if isinstance(message, Started | Progress | Preview | Result):
            addressed = replace(message, job="", stream=stream.name, frame=stream.number)
            stream.shown = addressed if isinstance(addressed, Result) else stream.shown
            self._sessions.deliver(stream.session, addressed)

    def _end(self, stream: LiveStream, finished: Finished) -> None:
        stream.run = ""
        if finished.state == "done":
            stream.crashes = 0
        self._dispatcher.metrics.frame_ended(finished.state, stream.dropped)
        last_word = replace(finished, job="", stream=stream.name, frame=stream.number, dropped=stream.dropped)
        stream.dropped = 0
        self._sessions.deliver(stream.session, last_word)
        self._on_change()

    def _lose(self, stream: LiveStream, reason: str) -> None:
        stream.crashes += 1
        if stream.crashes <= MAX_RETRIES:
            self._dispatcher.metrics.run_again()
            stream.run = ""
            stream.waiting = stream.waiting or stream.newest
            self._on_change()
            return
        stream.refusal = crashed(reason, stream.crashes)
        stream.waiting = None
        self._end(stream, Finished("failed", problems=(stream.refusal,)))
