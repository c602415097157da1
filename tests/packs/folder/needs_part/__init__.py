"""Needs a part that is not here."""

from comfy import model_detection  # noqa: F401

NODE_CLASS_MAPPINGS = {}
