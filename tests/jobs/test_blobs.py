import errno
import sys

import pytest

from bridge.engine import TO_DAEMON
from bridge.jobs import blobs
from bridge.jobs.blobs import FRAME, RESULTS, FileBlobs, MemoryBlobs
from bridge.protocol import Plane, Result


def result(value=1, side=4):
    return Result("1", (Plane("image", (side, side, 3), "u8", bytes([value]) * side**2 * 3),), job="job")


@pytest.fixture(params=["files", "synced files", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        return MemoryBlobs()
    return FileBlobs(tmp_path, survives_power_cuts=request.param == "synced files")


def test_messages_are_kept_with_their_pictures(store):
    size = store.keep(1, RESULTS, [result(1), result(2)])
    store.keep(2, RESULTS, [result(3)])
    assert store.load(1, RESULTS, TO_DAEMON) == [result(1), result(2)]
    assert size > 2 * 48
    assert store.load(1, FRAME, TO_DAEMON) == []
    store.remove(1, RESULTS)
    store.remove(1, RESULTS)
    assert store.load(1, RESULTS, TO_DAEMON) == []
    assert store.load(2, RESULTS, TO_DAEMON) == [result(3)]


def test_later_messages_take_the_place_of_earlier_ones(store):
    store.keep(1, RESULTS, [result(1), result(1)])
    store.keep(1, RESULTS, [result(2)])
    assert store.load(1, RESULTS, TO_DAEMON) == [result(2)]


def test_a_torn_file_gives_what_can_be_read(tmp_path):
    store = FileBlobs(tmp_path)
    store.keep(1, RESULTS, [result(1), result(2)])
    file = tmp_path / "1.results"
    file.write_bytes(file.read_bytes()[:-1])
    assert store.load(1, RESULTS, TO_DAEMON) == [result(1)]


@pytest.mark.parametrize(
    "content", [b"\xff" * 100, b"\x04" + bytes(7) + b"junk"], ids=["too long", "no message"]
)
def test_a_damaged_file_gives_nothing(tmp_path, content):
    (tmp_path / "1.results").write_bytes(content)
    assert FileBlobs(tmp_path).load(1, RESULTS, TO_DAEMON) == []


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def write_half(file, pieces):
        file.write(pieces[0])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blobs, "write_pieces", write_half)
    with pytest.raises(OSError, match="No space left"):
        FileBlobs(tmp_path).keep(1, RESULTS, [result()])
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_knows_is_swept_away_and_nothing_else(tmp_path):
    store = FileBlobs(tmp_path)
    for seq in (1, 2):
        store.keep(seq, RESULTS, [result()])
        store.keep(seq, FRAME, [result()])
    others = {"3.results.new", "queue.sqlite3", "notes.results", "4.txt"}
    for name in others:
        (tmp_path / name).touch()
    store.sweep(frozenset({(1, RESULTS), (2, FRAME)}))
    assert {path.name for path in tmp_path.iterdir()} == {
        "1.results",
        "2.frame",
        *(others - {"3.results.new"}),
    }


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_only_their_user_may_read_them(tmp_path):
    FileBlobs(tmp_path).keep(1, RESULTS, [result()])
    assert (tmp_path / "1.results").stat().st_mode & 0o777 == 0o600
