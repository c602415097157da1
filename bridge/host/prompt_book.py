"""What artists have typed: the last prompts and their own negative ones, for all of a user's hosts.

Rules:
1. It is one small file in the state folder, read anew when another host has changed it, written whole.
2. A damaged one is put aside under another name before it is replaced, never thrown away.
3. Reading never fails: without the file there is nothing to offer.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..client import state_folder
from ..errors import BridgeError
from .png import write_file

MOST_PROMPTS = 50
MOST_NEGATIVES = 100
LONGEST = 10_000
"""Characters of a prompt that is kept."""

MOST_BYTES = 4 * 1024 * 1024


class PromptBook:
    """The last prompts, newest first, and named negative prompts."""

    def __init__(self) -> None:
        self._prompts: list[str] = []
        self._negatives: dict[str, str] = {}
        self._stamp: tuple[int, int] | None = None

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return state_folder() / "prompts.json"

    @property
    def prompts(self) -> list[str]:
        """The last prompts, newest first."""
        self._read()
        return list(self._prompts)

    @property
    def negatives(self) -> dict[str, str]:
        """The artist's own negative prompts: title → text."""
        self._read()
        return dict(self._negatives)

    def remember(self, prompt: str) -> None:
        """Put a prompt in front; one that is known moves there.

        Raises:
            BridgeError: ``prompts_unwritable``; so do all that write.
        """
        text = prompt.strip()
        self._read()
        if not text or len(text) > LONGEST or self._prompts[:1] == [text]:
            return
        others = [known for known in self._prompts if known != text]
        self._prompts = [text, *others][:MOST_PROMPTS]
        self._write()

    def forget_prompts(self) -> None:
        """Empty the history."""
        self._read()
        self._prompts = []
        self._write()

    def keep_negative(self, title: str, text: str) -> None:
        """Keep a negative prompt under a title, in place of one of the same.

        Raises:
            BridgeError: ``no_title`` or ``no_text`` if it is empty, ``too_many_negatives``.
        """
        title, text = title.strip()[:80], text.strip()[:LONGEST]
        if not title or not text:
            code = "no_text" if title else "no_title"
            what = "the negative prompt is empty" if title else "it needs a name"
            raise BridgeError(what, code=code, hint="Type both, then save it.")
        self._read()
        if title not in self._negatives and len(self._negatives) >= MOST_NEGATIVES:
            raise BridgeError(
                f"there are {MOST_NEGATIVES} negative presets already",
                code="too_many_negatives",
                hint="Delete one first.",
            )
        self._negatives[title] = text
        self._write()

    def drop_negative(self, title: str) -> None:
        """Forget a negative prompt."""
        self._read()
        self._negatives.pop(title, None)
        self._write()

    def _read(self) -> None:
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._prompts, self._negatives = _parsed(self.file) or ([], {})

    def _write(self) -> None:
        data = {"prompts": self._prompts, "negatives": self._negatives}
        try:
            if self._stamp is not None and _parsed(self.file) is None:
                os.replace(self.file, self.file.with_suffix(".damaged.json"))
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(self.file, json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8"))
        except (OSError, UnicodeEncodeError) as error:
            raise BridgeError(
                f"{self.file} cannot be written: {error}",
                code="prompts_unwritable",
                hint="Make room on the disk, or make its folder yours to write to.",
            ) from error
        self._stamp = self._stamp_now()

    def _stamp_now(self) -> tuple[int, int] | None:
        """Tell one state of the file from another; ``None`` where there is none."""
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def _parsed(file: Path) -> tuple[list[str], dict[str, str]] | None:
    """Return what a file holds; ``None`` if it is damaged."""
    try:
        with file.open("rb") as stream:
            data = json.loads(stream.read(MOST_BYTES).decode("utf-8"))
        prompts, negatives = data["prompts"], data["negatives"]
        is_sound = isinstance(prompts, list) and isinstance(negatives, dict)
        texts: list[Any] = [*prompts, *negatives, *negatives.values()] if is_sound else [None]
        if not all(isinstance(text, str) and "\0" not in text for text in texts):
            return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return prompts[:MOST_PROMPTS], dict(list(negatives.items())[:MOST_NEGATIVES])
