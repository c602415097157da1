"""Webhooks that are still to be called: one small file each, so that a daemon that dies forgets none."""

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bridge.files import replace_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """A webhook that waits for the end of a job.

    Args:
        url: The webhook.
        accepted: What ``/prompt`` has answered: ``prompt_id``, ``number``, ``node_errors``.
    """

    url: str
    accepted: Mapping[str, Any]

    @property
    def job_id(self) -> str:
        """The job, a UUID."""
        return str(self.accepted["prompt_id"])


class KeptCalls:
    """Those of one daemon; a call is dropped when it was made, or given up.

    Args:
        folder: Theirs alone; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, call: Call) -> None:
        """Write a call down.

        Raises:
            OSError: If the disk does not take it.
        """
        replace_file(self._file(call), json.dumps(asdict(call)).encode())

    def drop(self, call: Call) -> None:
        """Forget a call."""
        with suppress(OSError):  # it is made once more, by the next daemon
            self._file(call).unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Call]:
        for file in sorted(self._folder.glob("*.json")):
            try:
                yield Call(**json.loads(file.read_bytes()))
            except (OSError, ValueError, TypeError) as error:
                logger.warning("a webhook that was kept cannot be read, and is not called: %s", error)

    def _file(self, call: Call) -> Path:
        return self._folder / f"{call.job_id}.json"
