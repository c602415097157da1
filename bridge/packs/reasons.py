"""Why a pack, or a node of one, is missing: what the user reads."""

import re

from bridge.errors import reason_of, sound
from bridge.packs.installing import ROOTS
from bridge.packs.shims.missing import MissingPart


def reason_missing(error: BaseException) -> str:
    """Say in one line why what raised an error is not there."""
    if isinstance(error, MissingPart):
        return _lacking(error.part)
    if isinstance(error, ImportError) and error.name:
        name = sound(str(error.name))
        part = re.search(r"cannot import name '(\w+)'", reason_of(error))
        if name.split(".")[0] in ROOTS:
            return _lacking(f"{name}.{part[1]}" if part else name)
        if isinstance(error, ModuleNotFoundError):
            return f"it needs the Python package {name}, which is not installed"
    return reason_of(error)


def _lacking(part: str) -> str:
    return f"it needs {part} of ComfyUI, which Framebridge does not have"
