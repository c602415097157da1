import io
import os
import sys
import threading

import pytest

from bridge.engine import TO_DAEMON, Outbox, read_message
from bridge.engine.outbox import FULL_BYTES
from bridge.errors import LocalProtocolError
from bridge.protocol import Finished, Plane, Preview, Progress, Result


class Gate(io.BytesIO):
    """A pipe that takes nothing until it is opened."""

    def __init__(self):
        super().__init__()
        self.opened = threading.Event()
        self.began = threading.Event()

    def write(self, data):
        self.began.set()
        assert self.opened.wait(10)
        return super().write(data)

    def messages(self):
        self.seek(0)
        return list(iter(lambda: read_message(self, TO_DAEMON), None))


def picture(kind, megabytes):
    return kind("1", (Plane("image", (megabytes * 1024, 256, 4), "u8", bytes(megabytes * 2**20)),), job="job")


def test_messages_are_written_in_order_and_flushed_by_close():
    sink = Gate()
    sink.opened.set()
    outbox = Outbox(sink, "test")
    said = [Progress("1", 1.0, 2.0, job="job"), Finished("done", job="job")]
    for message in said:
        outbox.put(message)
    outbox.close(10)
    assert sink.messages() == said


def test_previews_and_progress_are_dropped_while_too_much_waits_results_never():
    sink = Gate()
    outbox = Outbox(sink, "test")
    outbox.put(Finished("done", job="first"))
    assert sink.began.wait(10)
    for _ in range(FULL_BYTES // 2**22 + 2):
        outbox.put(picture(Result, 4))
    outbox.put(picture(Preview, 1))
    outbox.put(Progress("1", 1.0, 2.0, job="job"))
    outbox.put(Finished("done", job="last"))
    sink.opened.set()
    outbox.close(10)
    kinds = [type(message).__name__ for message in sink.messages()]
    assert kinds == ["Finished", *["Result"] * (FULL_BYTES // 2**22 + 2), "Finished"]


def test_a_message_that_cannot_be_written_is_refused_where_it_is_put():
    outbox = Outbox(io.BytesIO(), "test")
    with pytest.raises(LocalProtocolError):
        outbox.put(Finished("done", job="job", outputs={"1": {"value": float("nan")}}))
    outbox.close(10)


def test_after_the_other_end_is_gone_messages_disappear():
    class Broken:
        def write(self, data):
            raise BrokenPipeError

    outbox = Outbox(Broken(), "test")
    outbox.put(Finished("done", job="job"))
    outbox._thread.join(10)
    assert not outbox._thread.is_alive()
    outbox.put(Finished("done", job="job"))
    outbox.close(10)
    assert not outbox._waiting


def test_close_does_not_wait_for_a_pipe_that_takes_nothing():
    sink = Gate()
    outbox = Outbox(sink, "test")
    outbox.put(Finished("done", job="job"))
    outbox.close(0.01)
    assert outbox._thread.is_alive()
    sink.opened.set()
    outbox._thread.join(10)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pipes that tell whether they take anything")
def test_small_messages_go_into_a_pipe_with_room_at_once_and_in_order():
    reading, writing = os.pipe()
    source, sink = io.FileIO(reading, "rb"), io.FileIO(writing, "wb")
    outbox = Outbox(sink, "test")
    said = [Progress("1", float(number), 5.0, job="job") for number in range(5)]
    with outbox._changed:  # so that the thread cannot be the one who writes
        for message in said:
            outbox.put(message)
    assert [read_message(source, TO_DAEMON) for _ in said] == said
    said = [picture(Result, 3), Finished("done", job="job")]  # the first is more than the pipe holds
    for message in said:
        outbox.put(message)
    assert [read_message(source, TO_DAEMON).type for _ in said] == ["result", "finished"]
    source.close()
    outbox.put(Finished("done", job="job"))
    outbox._thread.join(10)
    assert not outbox._thread.is_alive()
    sink.close()


def test_what_is_held_goes_along_with_the_next_message_in_one_write():
    writes = []

    class Sink(io.BytesIO):
        def write(self, data):
            writes.append(bytes(data))
            return super().write(data)

    sink = Sink()
    outbox = Outbox(sink, "test")
    held = [Progress("1", number, 3.0, job="job") for number in (1.0, 2.0)]
    for message in held:
        outbox.hold(message)
    assert writes == []
    outbox.put(Finished("done", job="job"))
    outbox.hold(Progress("1", 3.0, 3.0, job="job"))
    outbox.flush()
    outbox.flush()
    outbox.hold(Finished("done", job="last"))
    outbox.close(10)
    sink.seek(0)
    said = list(iter(lambda: read_message(sink, TO_DAEMON), None))
    assert said == [
        *held,
        Finished("done", job="job"),
        Progress("1", 3.0, 3.0, job="job"),
        Finished("done", job="last"),
    ]
