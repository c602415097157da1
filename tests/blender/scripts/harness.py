"""Run inside Blender, with the staged add-on to import: report results as JSON, leave without noise."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

REQUEST = json.loads(sys.argv[1])
"""What the test asked for: ``addon``, ``folder``, ``report`` and options of its own."""


def report(*measures: Callable[[], Any]) -> None:
    """Call each measure, write ``{its name: its result, or {"raised": traceback}}``, and end the process."""
    results = {}
    for measure in measures:
        try:
            results[measure.__name__] = measure()
        except Exception:  # whatever it is, the test that asks for it shows it
            results[measure.__name__] = {"raised": traceback.format_exc()}
    with open(REQUEST["report"], "w", encoding="utf-8") as file:
        json.dump(results, file)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # live GPU objects make Blender's own exit noisy
