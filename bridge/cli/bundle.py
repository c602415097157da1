"""A file to send to whoever helps: what the doctor found, versions, settings and the end of the log.

No prompt, no token and no picture is in it; the user's own name is not either, where it stands in a path.
"""

import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from bridge.cli.finding import Finding
from bridge.cli.service import ANSWER_S
from bridge.cli.standing import last_log_lines
from bridge.client import connect
from bridge.daemon import Settings
from bridge.errors import BridgeError
from bridge.jobs import RUN_NOTES


def write_bundle(file: Path, findings: Iterable[Finding], settings: Settings) -> None:
    """Write the file.

    Raises:
        BridgeError: ``write_failed``.
    """
    packages = sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)
    pages = {
        "findings.json": json.dumps([asdict(finding) for finding in findings], indent=2),
        "settings.json": json.dumps(_told(settings), indent=2),
        "packages.txt": "\n".join(packages),
        "log.txt": "\n".join(last_log_lines()),
    }
    try:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in pages.items():
                bundle.writestr(name, _discreet(text))
    except OSError as error:
        message = f"cannot write {file}: {error.strerror or error}"
        raise BridgeError(message, code="write_failed", hint="Choose another place.") from error


def _told(settings: Settings) -> Mapping[str, Any]:
    """Return the settings of the running daemon, or why they are the doctor's own instead."""
    given = {name: value for name, value in os.environ.items() if name.startswith("FRAMEBRIDGE_")}
    try:
        with connect(name="doctor", timeout_s=ANSWER_S) as daemon:
            told = {"of": "the daemon", **daemon.query("settings")}
    except BridgeError as error:
        told = {"of": f"the doctor: {error.message}", "settings": settings.told()}
    return {**told, "environment": given}


def _discreet(text: str) -> str:
    """Return a text without what looks like a secret, and without the user's name in paths."""
    home = str(Path.home())
    return RUN_NOTES.redact(text.replace(home, "~") if len(home) > 1 else text)
