"""Packs of nodes that others wrote: folders in ComfyUI's form and Python entry points; in the worker only."""
