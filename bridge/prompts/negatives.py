"""Negative presets: texts for what a picture should not look like, by the family of model they help."""

import json
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "negatives.json"


def negative_presets() -> list[dict[str, Any]]:
    """Return the presets: ``title``, ``family`` (empty for any), ``text`` and ``help``."""
    found: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))["negatives"]
    return found
