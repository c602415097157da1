"""What is under way between a client and the daemon, so that a broken connection can be made good.

1. A request that was sent and not answered when the connection broke has failed: nobody knows whether
   the daemon has seen it. A job is submitted again under its name, of which the daemon makes one job only;
   until that is answered what comes for the job is dropped, since all comes again.
2. Streams are set again after a reconnect, as they were last accepted, then as they were last asked for;
   the newest frame of each that has not been rendered is sent again.
3. Jobs that were accepted and have not finished are asked for again. One that the daemon does not know any
   more has failed.
4. What still comes for a job after its last word was sent twice, and is dropped.
5. Of a request or a job that the host has given up nothing is heard any more. Such a job is cancelled, if
   need be on the next connection.
6. All of this belongs to the connection's thread.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeGuard

from ..errors import Problem
from ..protocol import (
    Accepted,
    Answer,
    Attach,
    Cancel,
    CloseStream,
    Failure,
    Finished,
    Message,
    Preview,
    Progress,
    Result,
    SetStream,
    Started,
    StreamFrame,
    Submit,
)

KEPT_FINISHED = 1000
"""Jobs that are remembered for rules 4 and 5, and requests for rule 5."""


class Ledger:
    """Requests, streams and jobs of one client."""

    def __init__(self) -> None:
        self._asked: dict[str, Message] = {}  # by request: sent, not answered
        self._asked_streams: dict[str, SetStream] = {}  # by request: sent, not answered
        self._streams: dict[str, SetStream] = {}  # by stream: accepted
        self._frames: dict[str, StreamFrame] = {}  # by stream: the newest, sent, not rendered
        self._jobs: dict[str, None] = {}  # accepted, not finished; a set that keeps its order
        self._finished: OrderedDict[str, None] = OrderedDict()  # jobs; also those that were given up
        self._given_up: OrderedDict[str, None] = OrderedDict()  # requests: sent, not answered
        self._owed: list[Submit] = []  # not answered when the connection broke
        self._again: dict[str, str] = {}  # by request: the job of what was owed, not answered since
        self._cancels: list[Cancel] = []  # of rule 5: sent, not answered when the connection broke

    def sent(self, message: Message) -> None:
        """Note a message that goes out."""
        match message:
            case SetStream():
                self._asked_streams[message.request] = message
                return
            case StreamFrame():
                self._frames[message.stream] = message
            case CloseStream(stream=stream):
                self._streams.pop(stream, None)
                self._frames.pop(stream, None)
                pending = self._asked_streams.items()
                self._asked_streams = {key: asked for key, asked in pending if asked.stream != stream}
            case Attach(job=job):
                self._finished.pop(job, None)
        request = request_of(message)
        if request:
            self._asked[request] = message

    def received(self, message: Message) -> Message | None:
        """Note a message that came in.

        Returns:
            What the host should see of it.
        """
        asked = self._asked.pop(request_of(message), None)
        self._again.pop(request_of(message), None)
        asked_stream = self._asked_streams.pop(request_of(message), None)
        match message:
            case Answer() | Failure() if _is_own_cancel(asked):
                return None
            case Accepted() if isinstance(asked, Attach) and asked.request == _own_request(asked.job):
                return None  # the host knows that it was accepted, and with what
            case Failure() if isinstance(asked, Attach) and asked.request == _own_request(asked.job):
                lost = Finished("failed", job=asked.job, problems=message.problems)
                return self._finish(lost) if asked.job in self._jobs else None
            case Accepted() if asked_stream:
                self._streams[asked_stream.stream] = asked_stream
            case Accepted(job=job) if job and job not in self._finished:
                self._jobs[job] = None
            case _ if job_of(message) in self._again.values():
                return None
            case Started(job=job) | Progress(job=job) | Preview(job=job) | Result(job=job):
                return None if job in self._finished else message
            case Failure(stream=stream) if stream:
                self._frames.pop(stream, None)
            case Finished(stream=stream) if stream:
                self._note_rendered(message)
            case Finished(job=job) if job:
                return None if job in self._finished else self._finish(message)
        return message

    def give_up(self, request: str) -> None:
        """Note that nobody waits for an answer any more."""
        _remember(self._given_up, request)

    def is_owed(self, request: str) -> bool:
        """Tell whether a job is to be submitted again, or was and is not answered."""
        return request in self._again

    def is_given_up(self, message: Message) -> bool:
        """Tell whether a message answers a request that was given up."""
        return request_of(message) in self._given_up

    def give_up_job(self, job: str) -> Cancel:
        """Note that nobody waits for a job any more; returns what to tell the daemon."""
        self._jobs.pop(job, None)
        _remember(self._finished, job)
        return Cancel(_own_cancel(job), job)

    def broken(self, problem: Problem) -> list[Failure]:
        """Note that the connection broke.

        Returns:
            What to tell the host: the requests that have failed.
        """
        asked, self._asked = self._asked, {}
        self._cancels += [message for message in asked.values() if _is_own_cancel(message)]
        self._owed += [message for message in asked.values() if isinstance(message, Submit) and message.job]
        self._again |= {message.request: message.job for message in self._owed}
        heard = [
            request for request, message in asked.items() if not (_is_own(message) or self.is_owed(request))
        ]
        return [Failure((problem,), request) for request in heard if request not in self._given_up]

    def resumed(self) -> list[Message]:
        """Return what to send first on a new connection."""
        owed, self._owed = self._owed, []
        jobs = [*self._jobs, *(submit.job for submit in owed)]
        attaches = [Attach(_own_request(job), job) for job in jobs]
        cancels, self._cancels = self._cancels, []
        settings = [*self._streams.values(), *self._asked_streams.values()]
        names = {asked.stream for asked in settings}
        frames = [frame for stream, frame in self._frames.items() if stream in names]
        return [*settings, *frames, *owed, *attaches, *cancels]

    def abandoned(self, problem: Problem, unsent: Iterable[Message]) -> list[Message]:
        """Note that there will be no new connection.

        Args:
            problem: Why.
            unsent: What still waited to be sent.

        Returns:
            What to tell the host: the requests and jobs that have failed.
        """
        failures = self.broken(problem)
        requests = [request_of(message) for message in (*self._owed, *unsent) if not _is_own(message)]
        waiting = [request for request in (*self._asked_streams, *requests) if request not in self._given_up]
        failures += [Failure((problem,), request) for request in waiting if request]
        jobs = [Finished("failed", job=job, problems=(problem,)) for job in self._jobs]
        self._asked_streams, self._streams, self._frames, self._jobs = {}, {}, {}, {}
        self._owed = []
        return [*failures, *jobs]

    def _note_rendered(self, message: Finished) -> None:
        """Note the end of a frame; one that was cancelled is rendered again with other settings."""
        newest = self._frames.get(message.stream)
        if newest and newest.frame.number <= message.frame and message.state != "cancelled":
            del self._frames[message.stream]

    def _finish(self, message: Finished) -> Finished:
        self._jobs.pop(message.job, None)
        _remember(self._finished, message.job)
        return message


def request_of(message: Message) -> str:
    """Return the request that a message makes or answers; empty if it does neither."""
    request = getattr(message, "request", "")
    return request if isinstance(request, str) else ""


def job_of(message: Message) -> str:
    """Return the job that a message is about; empty if it is about none."""
    return getattr(message, "job", "")


def _own_request(job: str) -> str:
    """Name the request with which this module asks for a job again."""
    return f"attach {job}"[:128]


def _own_cancel(job: str) -> str:
    """Name the request with which this module cancels a job that was given up."""
    return f"cancel {job}"[:128]


def _is_own_cancel(message: Message | None) -> TypeGuard[Cancel]:
    return isinstance(message, Cancel) and message.request == _own_cancel(message.job)


def _is_own(message: Message) -> bool:
    is_attach = isinstance(message, Attach) and message.request == _own_request(message.job)
    return is_attach or _is_own_cancel(message)


def _remember(names: OrderedDict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > KEPT_FINISHED:
        names.popitem(last=False)
