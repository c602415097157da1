"""What may be forgotten while messages wait, and what waiting costs: the same at both ends of a connection.

Answers, and the results and last words of jobs, all count. Of everything else the newest says it all:
state, progress and previews, all that belongs to a live stream, complaints that answer no request.
"""

from collections.abc import Hashable

from .frame import Frame
from .message import Message
from .messages import Failure, Finished, Preview, Progress, Result, Started, State
from .model_messages import PullState


def place_of(message: Message) -> Hashable | None:
    """Name what a message stands for: a newer one of the same name replaces it; ``None`` if none does."""
    match message:
        case State():
            return State
        case Started() | Progress() | Preview():
            return type(message), message.job, message.stream
        case PullState(state="pulling"):
            return PullState, message.pull
        case Result() if message.stream:
            return Result, message.stream, message.node
        case Finished() if message.stream:
            return Finished, message.stream
        case Failure() if not message.request:
            return Failure, message.stream, message.problems[0].code
    return None


def picture_bytes(message: Message) -> int:
    """Return the size of the pictures that a message carries."""
    frame = getattr(message, "frame", None)
    planes = frame.planes.values() if isinstance(frame, Frame) else getattr(message, "planes", ())
    return sum(memoryview(plane.data).nbytes for plane in planes)
