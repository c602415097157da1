"""Errors that nobody expected: told in a sentence, written down once."""

import pytest

from bridge.errors import BridgeError
from bridge.host.faults import FaultLog


@pytest.fixture
def faults(tmp_path, monkeypatch):
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    return FaultLog(f"host-{tmp_path.name}", "plugin")


def test_what_was_raised_on_purpose_is_as_it_was(faults, tmp_path):
    problem = faults.problem_from(BridgeError("no", code="a_code", hint="do this"))
    assert (problem.code, problem.hint) == ("a_code", "do this")
    assert not (tmp_path / "home").exists()


def test_a_bug_is_a_sentence_and_its_traceback_is_in_the_log(faults):
    try:
        {}["missing"]
    except KeyError as error:
        problem = faults.problem_from(error)
    assert problem.code == "internal_error"
    assert "something went wrong in the plugin (KeyError: 'missing')" in problem.message
    assert faults.file in problem.hint
    with open(faults.file) as log:
        assert "Traceback" in log.read()


def test_a_log_that_cannot_be_written_is_no_fault(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "file" / "home"))
    problem = FaultLog(f"blocked-{tmp_path.name}", "add-on").problem_from(ValueError("x"))
    assert problem.code == "internal_error"
    assert capsys.readouterr().err == ""
