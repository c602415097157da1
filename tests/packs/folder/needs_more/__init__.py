"""Needs what is not here."""

import comfy.sd  # noqa: F401

NODE_CLASS_MAPPINGS = {}
