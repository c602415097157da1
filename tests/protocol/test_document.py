"""docs/protocol.md says what the code does."""

import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import Problem
from bridge.protocol import FORMS, HELLO_TIMEOUT_S, MESSAGES, CloseCode, Frame, decode
from bridge.protocol.planes import Description

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """What stands under a heading, up to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", TEXT, re.M | re.S)
    assert match, title
    return match[1]


def rows(text: str) -> dict[str, str]:
    """First cell → second cell of a table, a row that names several fields given for each."""
    cells = re.findall(r"^\| (`.+?) \| (.*?) \|", text, re.M)
    return {name: kind for names, kind in cells for name in re.findall(r"`([^`]+)`", names)}


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_is_described_with_all_its_fields(name: str) -> None:
    described = rows(section(f"`{name}`"))
    assert set(described) == {field.name for field in fields(MESSAGES[name])}


@pytest.mark.parametrize("name", MESSAGES)
def test_fields_with_a_default_are_told_from_the_others(name: str) -> None:
    described = rows(section(f"`{name}`"))
    for field in fields(MESSAGES[name]):
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if described[field.name]:
            assert ("=" in described[field.name]) == has_default, field.name


@pytest.mark.parametrize(
    ("title", "kind"), [("Problems", Problem), ("Planes", Description), ("Frames", Frame)]
)
def test_every_part_is_described_with_all_its_fields(title: str, kind: Any) -> None:
    assert set(rows(section(title))) >= {field.name for field in fields(kind)}


def test_every_named_plane_is_described() -> None:
    assert set(rows(section("Planes"))) >= set(FORMS)


def test_every_close_code_is_described() -> None:
    described = {int(code) for code in re.findall(r"\b[14]\d{3}\b", section("Close codes"))}
    assert described >= {int(code) for code in CloseCode}


def test_every_error_code_is_described() -> None:
    source = "".join(path.read_text() for path in (ROOT / "bridge" / "protocol").glob("*.py"))
    raised = set(re.findall(r'code="([a-z_]+)"', source)) | {"hello_timeout", "unsupported_protocol"}
    assert set(rows(section("Error codes").replace("| meaning |", ""))) == raised | {"bad_message"}


def test_hello_timeout_is_the_one_described() -> None:
    assert f"| time until `hello` | {HELLO_TIMEOUT_S:g} s |" in section("Limits")


def test_hex_example_is_a_message() -> None:
    dump = re.search(r"```hex\n(.*?)```", TEXT, re.S)
    assert dump
    data = bytes.fromhex("".join(line[10:58] for line in dump[1].splitlines()))
    assert data == (ROOT / "tests" / "wire" / "preview.bin").read_bytes()
    assert decode(data).type == "preview"
