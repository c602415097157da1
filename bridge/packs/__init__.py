"""Packs of nodes that others wrote: folders in ComfyUI's form and Python entry points; in the worker only."""

from bridge.packs.loading import Packs, load_packs

__all__ = ["Packs", "load_packs"]
