"""What packs look for in a module of ComfyUI's, and we do not have."""

from collections.abc import Callable
from types import ModuleType
from typing import Any


class MissingPart(AttributeError):
    """A module or namespace of ComfyUI has more than ours.

    Args:
        part: What was looked for: ``comfy_api.latest.io.Autogrow``.
    """

    def __init__(self, part: str) -> None:
        super().__init__(f"Framebridge does not have {part} of ComfyUI")
        self.part = part


def refusing(owner: str) -> Callable[[str], Any]:
    """Return a module's ``__getattr__``, which names what is not there."""

    def refuse(name: str) -> Any:
        raise MissingPart(f"{owner}.{name}")

    return refuse


def namespace(owner: str, **names: Any) -> ModuleType:
    """Return what packs import from a module as if it were a module too: ``io``, ``ui``."""
    module = ModuleType(owner)
    vars(module).update(names, __getattr__=refusing(owner))
    return module
