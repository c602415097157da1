import json
import logging
import re
import sys
from pathlib import Path

import pytest

from bridge.daemon import keeping_log
from bridge.engine import Run, log_ids
from bridge.jobs import RUN_NOTES


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "daemon.log"


def test_messages_of_ours_and_warnings_of_others_are_written(log: Path) -> None:
    with keeping_log(log):
        logging.getLogger("bridge.jobs").info("ours")
        logging.getLogger("uvicorn.error").warning("theirs")
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert (first["level"], first["logger"], first["event"]) == ("info", "bridge.jobs", "ours")
    assert (second["level"], second["logger"], second["event"]) == ("warning", "uvicorn.error", "theirs")
    assert first["ts"].endswith("+00:00")


def test_without_a_console_the_file_has_it(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as on Windows, of a program without a window
    with keeping_log(log):
        logging.getLogger("bridge").warning("odd")
    assert json.loads(log.read_text())["event"] == "odd"


def test_lines_carry_the_ids_of_what_they_are_about(log: Path) -> None:
    RUN_NOTES.add(Run("job-1", {}, ()), "a-very-secret-session", 2)
    with keeping_log(log), log_ids(job="job-1", node="7"):
        logging.getLogger("bridge").warning("odd")
    line = json.loads(log.read_text())
    assert {name: line[name] for name in ("job", "session", "node", "attempt")} == {
        "job": "job-1",
        "session": "a-very",
        "node": "7",
        "attempt": "2",
    }


def test_prompts_and_secrets_are_taken_out_of_messages_and_traces(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow = {"1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a violet heron\nat dawn"}}}
    RUN_NOTES.add(Run("job-2", workflow, (), extra={"api_key_of_somebody": "k-123456"}), "session", 1)
    RUN_NOTES.keep_secret("the-token-of-the-daemon")
    with keeping_log(log):
        for words in (
            "a violet heron",
            "k-123456",
            "the-token-of-the-daemon",
            "Bearer abc.def",
            "hf_abcdefghij",
        ):
            try:
                raise ValueError(f"cannot do with {words}")
            except ValueError:
                logging.getLogger("bridge").exception("failed: %s", words)
    for text in (log.read_text(), capsys.readouterr().err):
        assert text.count("failed: ‹hidden›") + text.count("failed: Bearer ‹hidden›") == 5
        assert not re.search(r"heron|k-123456|of-the-daemon|abc\.def|abcdefghij", text)


def test_a_terminal_gets_text_with_ids(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with keeping_log(log), log_ids(job="0123456789abcdef", node="7"):
        logging.getLogger("bridge").error("trouble")
    assert capsys.readouterr().err.endswith("ERROR bridge: trouble (job 0123456789ab, node 7)\n")


def test_a_terminal_is_not_commanded_by_what_a_message_holds(
    log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with keeping_log(log), log_ids(job="a\x1b]0;b\x07"):
        logging.getLogger("bridge").error("trouble\x1b]52;c;ZQ==\x07\x9d\n\tgoes on")
    told = capsys.readouterr().err
    assert "trouble\ufffd]52;c;ZQ==\ufffd\ufffd\n\tgoes on (job a\ufffd]0;b\ufffd)" in told


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
