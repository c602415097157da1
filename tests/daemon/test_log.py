import logging
from pathlib import Path

import pytest

from bridge.daemon import keeping_log


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "daemon.log"


def test_messages_of_ours_and_warnings_of_others_are_written(log: Path) -> None:
    with keeping_log(log):
        logging.getLogger("bridge.jobs").info("ours")
        logging.getLogger("uvicorn.error").warning("theirs")
    assert "INFO bridge.jobs: ours" in log.read_text()
    assert "WARNING uvicorn.error: theirs" in log.read_text()


def test_file_is_not_touched_before_there_is_something_to_say(log: Path) -> None:
    log.write_text("of another daemon\n")
    with keeping_log(log):
        pass
    assert log.read_text() == "of another daemon\n"


def test_standard_error_that_is_no_terminal_gets_warnings_only(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with keeping_log(log):
        logging.getLogger("bridge").info("chatter")
        logging.getLogger("bridge").error("trouble")
    assert "trouble" in capsys.readouterr().err
    assert "chatter" not in capsys.readouterr().err


def test_file_rotates(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.daemon.log.LOG_BYTES", 2000)
    with keeping_log(log):
        for number in range(200):
            logging.getLogger("bridge").info("line %d of a long story", number)
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.log.3"]
    assert "line 199" in log.read_text()


def test_nothing_is_written_afterwards(log: Path) -> None:
    with keeping_log(log):
        logging.getLogger("bridge").warning("inside")
    logging.getLogger("bridge").warning("outside")
    assert "outside" not in log.read_text()
