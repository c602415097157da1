"""Time what functions take, wherever they are called from."""

import functools
import time
from collections import Counter
from typing import Any


class Stopwatch:
    """Seconds and calls by part, of one thread.

    Attributes:
        seconds: That passed in each part since the last ``restart``.
        processor_seconds: That the thread computed in it.
        calls: How often it was entered.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.processor_seconds: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Count the calls of ``owner.name`` to a part from now on."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def watched(*arguments: Any, **options: Any) -> Any:
            began, computed = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began
                self.processor_seconds[part] += time.thread_time() - computed
                self.calls[part] += 1

        setattr(owner, name, watched)

    def restart(self) -> None:
        """Forget what was counted."""
        for counter in (self.seconds, self.processor_seconds, self.calls):
            counter.clear()
