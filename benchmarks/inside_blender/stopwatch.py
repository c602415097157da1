"""Time what functions take, wherever they are called from."""

import functools
import time
from collections import Counter
from typing import Any


class Stopwatch:
    """Seconds and calls by part.

    Attributes:
        seconds: Spent in each part since the last ``restart``.
        calls: How often it was entered.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the calls of ``owner.name`` to a part from now on."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self.calls[part] += 1

        setattr(owner, name, watched)

    def restart(self) -> None:
        """Forget what was counted."""
        self.seconds.clear()
        self.calls.clear()
