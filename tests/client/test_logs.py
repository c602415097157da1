from pathlib import Path

import pytest

from bridge.client import last_lines, log_file


def test_the_log_lies_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))
    assert log_file() == tmp_path / "daemon.log"


def test_only_whole_lines_of_the_end_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes("first\nzwölf\nlast \xff\n".encode("latin-1"))
    assert last_lines(file, 1000) == ["first", "zw\ufffdlf", "last \ufffd"]
    assert last_lines(file, 10) == ["last \ufffd"]


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "none.log", 100) == []
