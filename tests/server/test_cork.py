import asyncio

import pytest

from bridge.server.cork import FULL_BYTES, CorkedTransport


class Recorder:
    """A transport that remembers what it was told."""

    def __init__(self):
        self.told = []
        self.waiting = 0
        self.is_closed = False

    def write(self, data):
        self.told.append(data)

    def close(self):
        self.told.append("closed")
        self.is_closed = True

    def is_closing(self):
        return self.is_closed

    def get_write_buffer_size(self):
        return self.waiting

    def abort(self):
        self.is_closed = True


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def rests():
    return []


@pytest.fixture
async def corked(recorder, rests):
    return CorkedTransport(recorder, asyncio.get_running_loop(), lambda: rests.append(recorder.waiting))


async def test_what_is_written_in_one_turn_is_sent_at_its_end_in_one_piece(corked, recorder):
    corked.write(b"a")
    corked.write(b"b")
    assert recorder.told == []
    await asyncio.sleep(0)
    corked.write(b"c")
    await asyncio.sleep(0)
    assert recorder.told == [b"ab", b"c"]


async def test_much_is_sent_at_once_and_uncopied(corked, recorder):
    large = bytes(FULL_BYTES + 1)
    corked.write(large)
    assert recorder.told[0] is large
    await asyncio.sleep(0)
    assert len(recorder.told) == 1


async def test_what_waits_here_counts_as_waiting(corked, recorder):
    recorder.waiting = 5
    corked.write(b"abc")
    assert corked.get_write_buffer_size() == 8
    await asyncio.sleep(0)
    assert corked.get_write_buffer_size() == 5


async def test_whoever_watches_is_told_of_what_the_peer_has_yet_to_take(corked, recorder, rests):
    corked.close()
    assert rests == []
    recorder.waiting = 5
    corked.close()
    assert rests == [5]


async def test_closing_sends_what_waits_and_aborting_does_not(corked, recorder):
    corked.write(b"last")
    corked.close()
    await asyncio.sleep(0)
    assert recorder.told == [b"last", "closed"]
    recorder.is_closed = False
    corked.write(b"lost")
    corked.abort()
    await asyncio.sleep(0)
    assert recorder.told == [b"last", "closed"]
