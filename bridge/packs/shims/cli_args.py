"""``comfy.cli_args``: the settings that packs look at."""

from types import SimpleNamespace

__all__ = ["args"]

args = SimpleNamespace(disable_metadata=False, preview_size=512, cpu=False, multi_user=False, verbose="INFO")
"""Each as ComfyUI has it where nobody says otherwise."""
