import io
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.engine import (
    TO_DAEMON,
    TO_WORKER,
    CancelRun,
    Configure,
    Freed,
    FreeMemory,
    MessageReader,
    Ready,
    Run,
    Stop,
    WorkerFailed,
)
from bridge.engine.pipe import LENGTH, PIPE_BYTES, enlarge_pipe, framed, read_message, write_pieces
from bridge.errors import Problem, RemoteProtocolError
from bridge.protocol import MAX_MESSAGE_BYTES, Camera, Finished, Frame, Plane, Result

PLANE = Plane("color", (2, 2, 3), "u8", bytes(range(12)))
DEPTH = Plane("depth", (2, 2), "u16", bytes(range(8)), near=0.1, far=100.0)
MATRIX = tuple(float(n) for n in range(16))
FRAME = Frame({"color": PLANE, "depth": DEPTH}, Camera(MATRIX, MATRIX, 0.1, 100.0), number=3)

MESSAGES = [
    Configure({"models": ["/models"], "cache_bytes": 10, "threads": None}),
    Run("job", {"1": {"class_type": "Echo", "inputs": {}}}, ("1",), {"1": {}}, {"workflow": {}}, FRAME, True),
    Run("job", {}, ()),
    CancelRun("job"),
    FreeMemory(),
    Stop(),
    Ready({"Echo": {"inputs": []}}, {"device": "cpu"}, {"bad": "SyntaxError"}),
    Freed(),
    WorkerFailed((Problem("worker_failed", "no torch", "Install it."),)),
    Result("1", (PLANE,), job="job"),
    Finished("done", job="job", outputs={"1": {"images": []}}, timings={"run": 0.5}),
]


def written(*messages):
    sink = io.BytesIO()
    for message in messages:
        write_pieces(sink, framed(message))
    return sink.getvalue()


def plain(message):
    """Planes compare by their bytes whatever holds them."""
    return written(message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_what_was_written_is_read(message):
    vocabulary = {**TO_WORKER, **TO_DAEMON}
    assert plain(read_message(io.BytesIO(written(message)), vocabulary)) == plain(message)


def test_messages_follow_each_other_until_the_end():
    source = io.BytesIO(written(Stop(), CancelRun("a")))
    assert [read_message(source, TO_WORKER) for _ in range(3)] == [Stop(), CancelRun("a"), None]


@pytest.mark.parametrize("kept", [1, 7, 8, 20, -1])
def test_an_end_in_mid_message_is_an_end(kept):
    assert read_message(io.BytesIO(written(MESSAGES[1])[:kept]), TO_WORKER) is None


@given(st.lists(st.integers(1, 50), min_size=1))
def test_it_does_not_matter_in_what_pieces_a_pipe_takes_and_gives(sizes):
    class Reluctant(io.BytesIO):
        turn = 0

        def limit(self, buffer):
            self.turn += 1
            return memoryview(buffer)[: sizes[self.turn % len(sizes)]]

        def write(self, data):
            return None if self.turn == 2 and self.limit(data) else super().write(self.limit(data))

        def readinto(self, buffer):
            return super().readinto(self.limit(buffer))

    pipe = Reluctant()
    write_pieces(pipe, framed(MESSAGES[1]))
    pipe.seek(0)
    assert plain(read_message(pipe, TO_WORKER)) == plain(MESSAGES[1])


@given(st.lists(st.integers(0, 60), min_size=1).filter(any), st.integers(1, 64))
def test_a_reader_that_never_waits_puts_together_whatever_pieces_come(sizes, chunk):
    class Dripping(io.BytesIO):
        turn = 0

        def readinto(self, buffer):
            self.turn += 1
            size = sizes[self.turn % len(sizes)]
            return super().readinto(memoryview(buffer)[:size]) if size else None

    said = [MESSAGES[1], Stop(), CancelRun("a"), MESSAGES[1]]
    reader = MessageReader(Dripping(written(*said)), TO_WORKER)
    reader._chunk = reader._chunk[:chunk]
    heard = []
    while not reader.is_at_end:
        heard += reader.read()
    assert [plain(message) for message in heard] == [plain(message) for message in said]


@pytest.mark.parametrize(
    "body", [LENGTH.pack(MAX_MESSAGE_BYTES + 1), LENGTH.pack(0), LENGTH.pack(5) + b"print"]
)
def test_a_reader_that_never_waits_refuses_what_is_no_message(body):
    with pytest.raises(RemoteProtocolError):
        MessageReader(io.BytesIO(body), TO_WORKER).read()


def test_a_message_that_announces_too_much_is_refused_before_memory_is_taken():
    with pytest.raises(RemoteProtocolError, match="was announced"):
        read_message(io.BytesIO(LENGTH.pack(MAX_MESSAGE_BYTES + 1)), TO_WORKER)


@pytest.mark.parametrize(
    "body", [b"", b"print", b'{"type": "hello"}', b'{"type": "ready", "definitions": {}}']
)
def test_what_is_no_message_for_this_side_is_refused(body):
    with pytest.raises(RemoteProtocolError):
        read_message(io.BytesIO(LENGTH.pack(len(body)) + body), TO_WORKER)


def test_a_broken_pipe_is_an_end():
    class Broken:
        def readinto(self, buffer):
            raise OSError

    assert read_message(Broken(), TO_WORKER) is None


def test_a_frame_passes_a_real_pipe():
    large = Frame({"color": Plane("color", (1024, 1024, 3), "u8", os.urandom(3 * 2**20))})
    source, sink = os.pipe()
    enlarge_pipe(sink)
    with open(source, "rb", buffering=0) as reader, open(sink, "wb", buffering=0) as writer:
        message = Run("job", {}, (), frame=large)
        thread = threading.Thread(target=write_pieces, args=(writer, framed(message)))
        thread.start()
        got = read_message(reader, TO_WORKER)
        thread.join()
    assert got.frame.digest == large.digest


def test_a_pipe_holds_more_where_the_system_allows_it(monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    source, sink = os.pipe()
    before = fcntl.fcntl(sink, 1032)
    enlarge_pipe(sink)
    assert fcntl.fcntl(sink, 1032) == PIPE_BYTES > before
    os.close(source)
    os.close(sink)
    enlarge_pipe(sink)  # refused: it is closed; no harm


def test_planes_are_not_copied():
    data = bytearray(12)
    pieces = framed(Result("1", (Plane("image", (2, 2, 3), "u8", data),), job="job"))
    data[0] = 7
    assert b"".join(pieces)[-16] == 7
