import sqlite3
import sys
from contextlib import closing

import pytest

from bridge.errors import BridgeError
from bridge.jobs import database
from bridge.jobs.database import VERSION, open_database, open_to_checkpoint, open_to_read

INSERT = (
    "INSERT INTO jobs (seq, id, session, number, state, run, has_frame, queued_at, bytes) "
    "VALUES (1, 'a', 's', 1, 'waiting', '{}', 0, 0, 0)"
)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "queue.sqlite3"


def written(file):
    """Make a database with a job in it."""
    connection, _ = open_database(file)
    connection.execute(INSERT)
    connection.close()


def pragma(connection, name):
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_a_new_file_has_the_newest_form(file):
    connection, warning = open_database(file)
    with closing(connection):
        assert (warning, pragma(connection, "user_version")) == ("", VERSION)
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 1, "nobody waits for the disk"


def test_what_was_written_is_brought_into_the_file_by_another_connection(file):
    connection, _ = open_database(file)
    with closing(connection):
        for number in range(3000):
            connection.execute(INSERT.replace("(1, 'a'", f"({number}, 'job {number}'"))
        size = file.stat().st_size
        with closing(open_to_checkpoint(file)) as other:
            other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        assert file.stat().st_size > 10 * size


def test_what_is_in_memory_has_the_same_form():
    connection, _ = open_database(None)
    with closing(connection):
        connection.execute(INSERT)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_only_its_user_may_read_it(file):
    connection, _ = open_database(file)
    with closing(connection):
        connection.execute(INSERT)
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert modes == dict.fromkeys(("queue.sqlite3", "queue.sqlite3-wal", "queue.sqlite3-shm"), 0o600)


def test_what_was_written_is_there_again_and_a_reader_sees_it(file):
    written(file)
    connection, warning = open_database(file)
    with closing(connection), closing(open_to_read(file)) as reader:
        assert warning == ""
        assert reader.execute("SELECT id FROM jobs").fetchone()["id"] == "a"
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM jobs")


def test_an_older_file_is_brought_up_to_date(file, monkeypatch):
    written(file)
    newer = (*database.MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';")
    monkeypatch.setattr(database, "MIGRATIONS", newer)
    connection, warning = open_database(file)
    with closing(connection):
        assert (warning, pragma(connection, "user_version")) == ("", VERSION + 1)
        assert tuple(connection.execute("SELECT id, colour FROM jobs").fetchone()) == ("a", "red")


def test_jobs_of_a_file_of_the_first_form_are_not_cancelled(file, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", database.MIGRATIONS[:1])
        written(file)
    connection, _ = open_database(file)
    with closing(connection):
        assert tuple(connection.execute("SELECT id, is_cancelled FROM jobs").fetchone()) == ("a", 0)


def test_a_migration_that_fails_changes_nothing(file, monkeypatch):
    written(file)
    newer = (*database.MIGRATIONS, "ALTER TABLE jobs ADD COLUMN colour TEXT; SELECT nonsense FROM jobs;")
    with monkeypatch.context() as patch:
        patch.setattr(database, "MIGRATIONS", newer)
        with pytest.raises(BridgeError, match="nonsense"):
            open_database(file)
    connection, _ = open_database(file)
    with closing(connection):
        assert pragma(connection, "user_version") == VERSION
        assert "colour" not in connection.execute("SELECT * FROM jobs").fetchone().keys()  # noqa: SIM118


@pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
def test_the_file_of_a_newer_framebridge_is_refused_and_left_alone(file, is_killed):
    connection, _ = open_database(file)
    connection.execute(INSERT)
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    content = {path: path.read_bytes() for path in file.parent.iterdir() if path.suffix != ".sqlite3-shm"}
    connection.close()
    if is_killed:  # the version lies in the -wal
        for path, data in content.items():
            path.write_bytes(data)
        (file.parent / "queue.sqlite3-shm").unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in file.parent.iterdir()}
    with pytest.raises(BridgeError) as refusal:
        open_database(file)
    assert refusal.value.code == "newer_database"
    assert str(file) in refusal.value.message
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("damage", ["overwritten", "truncated", "bits", "text"])
def test_a_damaged_file_is_moved_aside_and_a_new_one_begun(file, damage):
    connection, _ = open_database(file)
    for number in range(200):
        connection.execute(INSERT.replace("(1, 'a'", f"({number}, 'job {number}'"))
    connection.close()
    data = bytearray(file.read_bytes())
    if damage == "overwritten":
        data[4096:] = b"\xff" * (len(data) - 4096)
    elif damage == "truncated":
        del data[len(data) // 2 :]
    elif damage == "bits":
        data[8192 : 8192 + 64] = bytes(byte ^ 0x55 for byte in data[8192 : 8192 + 64])
    else:
        data[:] = b"this is no database\n" * 1000
    file.write_bytes(data)
    connection, warning = open_database(file)
    with closing(connection):
        [aside] = file.parent.glob("*.corrupt-*")
        assert aside.read_bytes()[100:] == data[100:], "SQLite may have counted in its header"
        assert str(aside) in warning
        assert connection.execute("SELECT count(*) FROM jobs").fetchone()[0] == 0


def test_an_empty_file_becomes_a_database(file):
    file.touch()
    connection, warning = open_database(file)
    connection.close()
    assert warning == ""


def test_a_file_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "queue.sqlite3").mkdir()
    with pytest.raises(BridgeError, match=r"queue\.sqlite3") as failure:
        open_database(tmp_path / "queue.sqlite3")
    assert failure.value.code == "bad_folder"


def test_what_is_removed_is_overwritten(file):
    connection, _ = open_database(file)
    connection.execute(INSERT.replace("'{}'", "'" + "a secret prompt " * 1000 + "'"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"a secret prompt" in file.read_bytes()
    connection.execute("DELETE FROM jobs")
    connection.close()
    assert b"a secret prompt" not in file.read_bytes()
