"""What the plugin needs of the engine's Python, checked before anything is imported that would fail."""

from __future__ import annotations

import importlib
import re
import sys

PYTHON = (3, 11)
WEBSOCKETS = 15


def check() -> None:
    """See that this Python will do.

    Raises:
        ImportError: What is missing and what to do, in a sentence.
    """
    if sys.version_info < PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(f"it needs Python 3.11, which comes with Unreal 5.4; this engine has {found}.")
    try:
        version = str(importlib.import_module("websockets.version").version)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            "its library websockets is missing: copy the whole plugin folder into Plugins again."
        ) from error
    major = re.match(r"\d+", version)
    if major is None or int(major[0]) < WEBSOCKETS:
        raise ImportError(
            f"another plugin has brought websockets {version}, and Framebridge needs {WEBSOCKETS} or later: "
            "update or disable that plugin."
        )
