import json
import logging

import pytest

from bridge.engine import IdsFilter, JsonFormatter, log_ids, record_of, running


def line_of(record):
    IdsFilter().filter(record)
    return JsonFormatter().format(record)


def record(message="odd", **fields):
    return logging.makeLogRecord(
        {"name": "bridge.x", "levelno": 30, "levelname": "WARNING", "msg": message, **fields}
    )


def test_a_line_says_when_how_grave_who_what_and_about_what(job):
    with log_ids(session="0123456789", attempt=2, nothing=""), running(job, "7"):
        data = json.loads(line_of(record("a\nb", created=1.5)))
    assert data == {
        "ts": "1970-01-01T00:00:01.500+00:00",
        "level": "warning",
        "logger": "bridge.x",
        "event": "a\nb",
        "session": "012345",
        "attempt": "2",
        "job": "job",
        "node": "7",
    }


def test_ids_of_an_inner_block_come_on_top_and_end_with_it():
    with log_ids(job="a"):
        with log_ids(node="1"):
            inner = json.loads(line_of(record()))
        outer = json.loads(line_of(record()))
    assert (inner["job"], inner["node"]) == ("a", "1")
    assert "node" not in outer


def test_a_line_is_read_back_as_it_was_written():
    try:
        raise ValueError("broken")
    except ValueError as error:
        written = record(exc_info=(type(error), error, error.__traceback__))
    with log_ids(job="a", node="1"):
        line = line_of(written)
    read = record_of(line, "bridge.worker")
    assert (read.name, read.levelname, read.getMessage()) == ("bridge.x", "WARNING", "odd")
    assert read.ids == {"job": "a", "node": "1"}
    assert read.exc_text.endswith("ValueError: broken")
    assert JsonFormatter().format(read) == line


@pytest.mark.parametrize(
    "line",
    [
        "Segmentation fault",
        "{}",
        "[1]",
        '{"ts": "now", "level": "info", "logger": "x", "event": "y"}',
        '{"ts": "2026-01-01", "level": "odd", "logger": "x", "event": "y"}',
        '{"ts": 5, "level": 1, "logger": "x", "event": "y"}',
        "[" * 100_000,
    ],
)
def test_any_other_line_is_a_text_of_the_workers(line):
    read = record_of(line, "bridge.worker")
    assert (read.name, read.levelname, read.getMessage()) == ("bridge.worker", "INFO", line)
