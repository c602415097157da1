"""Framebridge in the Unreal Editor: see the level through a diffusion model, and keep the picture.

``start`` and ``stop`` are called by the engine's own script, ``do`` by menu entries and by artists' scripts:
``framebridge_unreal.do("generate")``.
"""

from .requirements import check

check()

# isort: split
from .host.app import do, start, stop  # noqa: E402 - once it is known that it can be

__all__ = ["do", "start", "stop"]
