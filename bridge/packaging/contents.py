"""What is in a packed add-on, and the rules that hold in every host."""

import ast
import re
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from bridge.errors import BridgeError, Problem

MAX_BYTES = 16 << 20
MAX_PATH = 150
"""Letters; Windows allows 260, of which a host's own folders under a user's take about 100."""

OLDEST_PYTHON = (3, 11)

_FORBIDDEN = re.compile(
    r"(?:^|/)(?:\.|__pycache__/|__MACOSX/|Thumbs\.db$)|\.(?:pyc|pyo|orig|rej|zip|blend\d)$|\\|^/"
)


class InvalidPackage(BridgeError):
    """A packed add-on with faults, and every one that was found."""

    code = "package_invalid"

    def __init__(self, archive: str, faults: list[str]) -> None:
        super().__init__(f"{archive}: {'; '.join(faults)}")
        self.faults = tuple(faults)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """One for each fault."""
        return tuple(Problem(self.code, fault) for fault in self.faults)


@dataclass(frozen=True)
class Check:
    """Something that was looked at.

    Args:
        name: What: ``licences``.
        finding: What was seen, in a few words.
        was_run: Nothing stood in the way of looking.
    """

    name: str
    finding: str
    was_run: bool = True


@dataclass(frozen=True)
class Contents:
    """A packed add-on: its files by their path within the add-on's folder."""

    size: int
    names: list[str]
    files: Mapping[str, bytes] = field(repr=False)
    root: str

    @property
    def sources(self) -> list[str]:
        """The Python files."""
        return [name for name in self.files if name.endswith(".py")]

    def text(self, name: str) -> str:
        """Return a file's text; empty if there is no such file."""
        return self.files.get(name, b"").decode(errors="replace")


Field = tuple[Callable[[Any], Any], str]
"""Of a manifest: whether a value is good, and what it must be, in words."""

Faults = Iterator[str]
Rule = tuple[Callable[[Contents], Faults], Callable[[Contents], str]]


def inspected(archive: Path, root: str, rules: Mapping[str, Rule]) -> list[Check]:
    """Check a packed add-on by every rule.

    Args:
        archive: The zip.
        root: The one folder in it.
        rules: Name → what yields the faults, and what says what was looked at.

    Returns:
        What was checked; all of it is in order.

    Raises:
        InvalidPackage: With every fault.
    """
    try:
        contents = _open(archive, root)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidPackage(archive.name, [f"cannot be read: {error}"]) from error
    checks: list[Check] = []
    faults: list[str] = []
    for name, (look, finding) in rules.items():
        found = list(look(contents))
        faults += found
        checks.append(Check(name, finding(contents)))
    if faults:
        raise InvalidPackage(archive.name, faults)
    return checks


def _open(archive: Path, root: str) -> Contents:
    with zipfile.ZipFile(archive) as packed:
        if damaged := packed.testzip():
            raise zipfile.BadZipFile(f"{damaged} is damaged")
        files = {
            name.removeprefix(f"{root}/"): packed.read(name)
            for name in packed.namelist()
            if name.startswith(f"{root}/") and not name.endswith("/")
        }
        return Contents(archive.stat().st_size, packed.namelist(), files, root)


def unfit(
    values: Mapping[str, Any], fields: Mapping[str, Field], optional: Collection[str], what: str
) -> Faults:
    """Yield which fields are missing or no good; ``what`` is what has them, as in "the manifest"."""
    for key, (is_good, demand) in fields.items():
        if key not in values:
            if key not in optional:
                yield f'{what} lacks "{key}"'
        elif not is_good(values[key]):
            yield f'{what}\'s "{key}" is {values[key]!r}, but must be {demand}'


def misplaced(contents: Contents) -> Faults:
    """Yield files that do not belong in a package, or not where they are."""
    for name in contents.names:
        if not name.startswith(f"{contents.root}/"):
            yield f"{name} lies outside the folder {contents.root}"
        elif _FORBIDDEN.search(name) or ".." in PurePosixPath(name).parts:
            yield f"{name} does not belong in a package"
        elif len(name) > MAX_PATH:
            yield f"{name} is too long a path for Windows"
    if len({name.casefold() for name in contents.names}) < len(contents.names):
        yield "two files differ in upper and lower case only, or not at all"
    if contents.size > MAX_BYTES:
        yield f"{contents.size / 1e6:.1f} MB is too large; {MAX_BYTES / 1e6:.1f} MB are allowed"


def unreadable(contents: Contents) -> Faults:
    """Yield sources that the oldest Python of our hosts cannot read."""
    for name in contents.sources:
        try:
            ast.parse(contents.files[name], feature_version=OLDEST_PYTHON)
        except (SyntaxError, ValueError) as error:
            yield f"{name} is no Python {'.'.join(map(str, OLDEST_PYTHON))}: {error}"


def assigned(source: str, name: str) -> Any:
    """Return the literal that a module assigns to a name, or None."""
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return None
    for statement in statements:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            try:
                return ast.literal_eval(statement.value)
            except ValueError:  # no literal
                return None
    return None
