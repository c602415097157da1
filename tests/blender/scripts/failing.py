"""Let an action of the add-on fail at each of its lines, and look for what has changed."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from digest import differences, digest
from framebridge._bridge.errors import BridgeError
from harness import REQUEST


class Injected(Exception):
    """The failure that the tests bring about."""


def changed_by(action: Callable[[], Any]) -> list[str]:
    before = digest()
    action()
    return differences(before, digest())


def lines_run(action: Callable[[], Any], modules: tuple[str, ...]) -> list[tuple[str, int]]:
    """Return the distinct lines of these modules of the add-on that an action runs, in order."""
    lines: dict[tuple[str, int], None] = {}
    _traced(action, modules, lambda line: lines.setdefault(line))
    return list(lines)


def failed_everywhere(action: Callable[[], Any], modules: tuple[str, ...]) -> dict[str, Any]:
    """Let an action fail at each of its lines; return what that changed, and what went unnoticed."""
    lines = lines_run(action, modules)
    changed, silent = {}, []
    before = digest()
    for line in lines:
        place = f"{line[0].rsplit('/', 1)[1]}:{line[1]}"
        if not fails_at(line, action, modules):
            silent.append(place)
        after = digest()
        if found := differences(before, after):
            changed[place], before = found, after
    return {"steps": len(lines), "silent": silent, "changed": changed}


def fails_at(line: tuple[str, int], action: Callable[[], Any], modules: tuple[str, ...]) -> bool:
    def fail(current: tuple[str, int]) -> None:
        if current == line:
            raise Injected

    try:
        _traced(action, modules, fail)
    except (Injected, BridgeError):  # what fails in a handler of Blender's comes out as an error of ours
        return True
    return False


def _traced(
    action: Callable[[], Any], modules: tuple[str, ...], on_line: Callable[[tuple[str, int]], Any]
) -> None:
    def trace(frame: FrameType, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(REQUEST["addon"]) or not name.endswith(modules):
            return None
        if event == "line" and not _puts_back(frame):
            on_line((name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(None)


def _puts_back(frame: FrameType | None) -> bool:
    """Whether a line is part of a ``finally`` or called from one, where a failure has no remedy."""
    while frame is not None:
        if (frame.f_code.co_filename, frame.f_lineno) in PUTTING_BACK:
            return True
        frame = frame.f_back
    return False


def _finally_lines() -> set[tuple[str, int]]:
    lines = set()
    for path in Path(REQUEST["addon"], "framebridge").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Try) and node.finalbody:
                last = node.finalbody[-1].end_lineno
                lines |= {(str(path), line) for line in range(node.finalbody[0].lineno, last + 1)}
    return lines


PUTTING_BACK = _finally_lines()
