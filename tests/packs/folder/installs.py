"""Wants to install what it needs."""

import os

if "PIP_NO_INDEX" in os.environ:
    raise RuntimeError("pip found nothing")

NODE_CLASS_MAPPINGS = {}
