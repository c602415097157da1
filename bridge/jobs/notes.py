"""What the log must know about runs: whose they are, which try it is, and what must not be repeated.

1. Texts of a workflow (prompts) and of what came with it (keys) never reach the log, whoever writes them:
   an error may quote what it was given, and a node may print it.
2. Names of models, samplers and the like are no secrets: a text counts from ``MIN_CHARACTERS``, and only
   where it holds a space, or its own name says that it is a prompt or a key.
3. The worker's last lines come after its last word, so the notes on the last ``KEPT_RUNS`` runs are kept.
4. A record is written on the event loop, whatever was submitted: of each run ``MAX_LINES`` lines are looked
   for. Of the others only how they begin is known, and a line of the log that may hold one ends there.
"""

import heapq
import re
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from bridge.engine import Run

KEPT_RUNS = 32

MIN_CHARACTERS = 6
"""What is shorter would blot out ordinary words."""

MAX_LINES = 100
"""Lines of a run's texts that are looked for as they are: the longest."""

MAX_CHARACTERS = 20_000
"""Where runs had texts, what is longer is cut behind a whole line: half of a text would not be known."""

HIDDEN = "‹hidden›"

_KEY_NAME = re.compile(r"api_?key|token|secret|password|authorization", re.IGNORECASE)
_PRIVATE_INPUT = re.compile(rf"text|prompt|wildcard|caption|{_KEY_NAME.pattern}", re.IGNORECASE)

_CREDENTIALS = re.compile(
    r"(?i:(?<![a-z])(bearer\s{1,8}|(?:api[_-]?key[\w-]{0,32}|auth[_-]?token[\w-]{0,32}|token|secret|password)[\"']?\s{0,8}[:=]\s{0,8}[\"']?))"
    r"[^\s\"',&}]+|\b(?:hf_|sk-|comfyui-)[\w-]{8,}"
)
"""What looks like a secret, wherever it stands."""


@dataclass(frozen=True, slots=True)
class RunNote:
    """What the log is told of a run besides its id.

    Args:
        session: Whose it is.
        attempt: The number of the try, from 1.
        private: What the log must not show, the ``MAX_LINES`` longest of it.
        others: How the rest of it begins (rule 4).
    """

    session: str
    attempt: int
    private: Collection[str]
    others: "_Beginnings | None"


class RunNotes:
    """The notes on the last runs; written by the event loop, read by whatever thread logs."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, RunNote] = OrderedDict()
        self._secrets: tuple[str, ...] = ()
        self._private: Sequence[str] = ()
        self._others: _Beginnings | None = None
        self._lock = Lock()

    def add(self, run: Run, session: str, attempt: int) -> None:
        """Note a run that begins."""
        texts = {*_prompts(run.workflow), *_prompts(run.prompt), *_keys(run.extra)}
        private = frozenset(heapq.nlargest(MAX_LINES, texts, key=len))
        others = _Beginnings(texts - private) if len(texts) > len(private) else None
        with self._lock:
            self._notes[run.job] = RunNote(session, attempt, private, others)
            self._notes.move_to_end(run.job)
            if len(self._notes) > KEPT_RUNS:
                self._notes.popitem(last=False)
            notes = self._notes.values()
            known = {words for note in notes for words in note.private}
            self._private = sorted(known, key=len, reverse=True)
            self._others = _Beginnings.joined([note.others for note in notes if note.others])

    def keep_secret(self, text: str) -> None:
        """Never let a text be shown."""
        self._secrets += (text,)

    def find(self, run_id: str) -> RunNote | None:
        """Return the note on a run, if it is one of the last."""
        return self._notes.get(run_id)

    def redact(self, text: str) -> str:
        """Return a text without what must not be shown (rules 1, 2 and 4)."""
        with self._lock:
            private, others = self._private, self._others
        if private:
            text = _cut(text)
        for words in (*self._secrets, *private):
            if words in text:
                text = text.replace(words, HIDDEN)
        text = _CREDENTIALS.sub(lambda match: (match[1] or "") + HIDDEN, text)
        return others.redact(text) if others else text


class _Beginnings:
    """How many lines begin: a byte for each hash of that, so that any number of them takes the same room.

    With many lines, others than those are taken for them as well.

    Args:
        lines: Each of ``MIN_CHARACTERS`` or more.
    """

    _SIZE = 1 << 16

    def __init__(self, lines: Iterable[str]) -> None:
        self._marks = bytearray(self._SIZE)
        for line in lines:
            self._marks[hash(line[:MIN_CHARACTERS]) % self._SIZE] = 1

    @classmethod
    def joined(cls, parts: Sequence["_Beginnings"]) -> "_Beginnings | None":
        """Return what knows all that the parts know; ``None`` without any."""
        if not parts:
            return None
        every = cls(())
        marks = 0
        for part in parts:
            marks |= int.from_bytes(part._marks)
        every._marks = bytearray(marks.to_bytes(cls._SIZE))
        return every

    def redact(self, text: str) -> str:
        """Return a text whose lines end where one of those may begin."""
        return "\n".join(map(self._kept, text.split("\n")))

    def _kept(self, line: str) -> str:
        for place in range(len(line) - MIN_CHARACTERS + 1):
            if self._marks[hash(line[place : place + MIN_CHARACTERS]) % self._SIZE]:
                return line[:place] + HIDDEN
        return line


RUN_NOTES = RunNotes()
"""Of this process: there is one log."""


def _cut(text: str) -> str:
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[: max(0, text.rfind(chr(10), 0, MAX_CHARACTERS))]}\n‹{len(text):,} characters in all›"


def _prompts(workflow: Mapping[str, Any]) -> Iterator[str]:
    """Yield the private texts of a workflow, line by line as a traceback would show them."""
    for node in workflow.values():
        for name, value in node.get("inputs", {}).items():
            if isinstance(value, str) and (" " in value.strip() or _PRIVATE_INPUT.search(name)):
                yield from _lines(value)


def _keys(extra: Mapping[str, Any]) -> Iterator[str]:
    """Yield what came with a job under the name of a key."""
    for name, value in extra.items():
        if isinstance(value, str) and _KEY_NAME.search(name):
            yield from _lines(value)


def _lines(text: str) -> Iterator[str]:
    lines = (line.strip() for line in text.splitlines())
    return (line for line in {*lines, repr(text)[1:-1]} if len(line) >= MIN_CHARACTERS)
