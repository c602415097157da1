"""Node definitions on disk, so that the daemon can judge workflows before its worker is up."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.files import replace_file
from bridge.graph import Definitions, NodeDefinition

log = logging.getLogger(__name__)


def read_definitions(data: Mapping[str, Any]) -> Definitions:
    """Read definitions as a worker tells them.

    Raises:
        KeyError: If a field is missing; ``TypeError`` if one has another shape.
    """
    return {name: NodeDefinition.from_json(entry) for name, entry in data.items()}


def load_definitions(file: Path | None) -> Definitions | None:
    """Return the definitions in a file; ``None`` if there are none, or those of another version."""
    try:
        content = json.loads(file.read_bytes()) if file else {}
        return read_definitions(content["definitions"]) if content["version"] == __version__ else None
    except OSError:
        return None  # the first start
    except (ValueError, KeyError, TypeError, AttributeError):
        if file:
            log.warning("%s holds no node definitions; it will be written again", file)
        return None


def save_definitions(file: Path, data: Mapping[str, Any]) -> None:
    """Write definitions as a worker told them; what was there is replaced in one step."""
    content = json.dumps({"version": __version__, "definitions": data})
    try:
        replace_file(file, content.encode())
    except OSError as error:  # only the next start is slower
        log.warning("node definitions cannot be kept in %s: %s", file, error)
