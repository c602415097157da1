"""What the log must know about runs: whose they are, which try it is, and what must not be repeated.

1. Texts of a workflow (prompts) and of what came with it (keys) never reach the log, whoever writes them:
   an error may quote what it was given, and a node may print it.
2. Names of models, samplers and the like are no secrets: a text counts from ``MIN_CHARACTERS``, and only
   where it holds a space, or its own name says that it is a prompt or a key.
3. The worker's last lines come after its last word, so the notes on the last ``KEPT_RUNS`` runs are kept.
"""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from bridge.engine import Run

KEPT_RUNS = 32

MIN_CHARACTERS = 6
"""What is shorter would blot out ordinary words."""

HIDDEN = "‹hidden›"

_KEY_NAME = re.compile(r"api_?key|token|secret|password|authorization", re.IGNORECASE)
_PRIVATE_INPUT = re.compile(rf"text|prompt|wildcard|caption|{_KEY_NAME.pattern}", re.IGNORECASE)

_CREDENTIALS = re.compile(
    r"(?i:(?<![a-z])(bearer\s+|(?:api[_-]?key[\w-]*|auth[_-]?token[\w-]*|token|secret|password)[\"']?\s*[:=]\s*[\"']?))"
    r"[^\s\"',&}]+|\b(?:hf_|sk-|comfyui-)[\w-]{8,}"
)
"""What looks like a secret, wherever it stands."""


@dataclass(frozen=True, slots=True)
class RunNote:
    """What the log is told of a run besides its id.

    Args:
        session: Whose it is.
        attempt: The number of the try, from 1.
        private: What the log must not show, longest first.
    """

    session: str
    attempt: int
    private: tuple[str, ...]


class RunNotes:
    """The notes on the last runs; written by the event loop, read by whatever thread logs."""

    def __init__(self) -> None:
        self._notes: OrderedDict[str, RunNote] = OrderedDict()
        self._secrets: tuple[str, ...] = ()
        self._lock = Lock()

    def add(self, run: Run, session: str, attempt: int) -> None:
        """Note a run that begins."""
        texts = {*_prompts(run.workflow), *_prompts(run.prompt), *_keys(run.extra)}
        note = RunNote(session, attempt, tuple(sorted(texts, key=len, reverse=True)))
        with self._lock:
            self._notes[run.job] = note
            self._notes.move_to_end(run.job)
            if len(self._notes) > KEPT_RUNS:
                self._notes.popitem(last=False)

    def keep_secret(self, text: str) -> None:
        """Never let a text be shown."""
        self._secrets += (text,)

    def find(self, run_id: str) -> RunNote | None:
        """Return the note on a run, if it is one of the last."""
        return self._notes.get(run_id)

    def redact(self, text: str) -> str:
        """Return a text without what must not be shown (rules 1 and 2)."""
        with self._lock:
            private = {words for note in self._notes.values() for words in note.private}
        for words in (*self._secrets, *sorted(private, key=len, reverse=True)):
            if words in text:
                text = text.replace(words, HIDDEN)
        return _CREDENTIALS.sub(lambda match: (match[1] or "") + HIDDEN, text)


RUN_NOTES = RunNotes()
"""Of this process: there is one log."""


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
