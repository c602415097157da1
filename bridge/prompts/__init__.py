"""Prompts in numbers: files of them, dynamic ones with wildcards, grids over inputs, negative presets.

No torch; nothing here runs a workflow.
"""

from bridge.host.axis import MAX_CELLS, Axis, cells, read_axis
from bridge.host.prompt_file import MAX_PROMPTS, Line, read_prompts, split_prompts
from bridge.prompts.dynamic import MAX_COMBINATIONS, TEMPLATE_TEXT, combinations, is_dynamic, resolve
from bridge.prompts.naming import slug
from bridge.prompts.negatives import negative_presets
from bridge.prompts.prompt_input import prompt_inputs, seed_of
from bridge.prompts.wildcards import Wildcards

__all__ = [
    "MAX_CELLS",
    "MAX_COMBINATIONS",
    "MAX_PROMPTS",
    "TEMPLATE_TEXT",
    "Axis",
    "Line",
    "Wildcards",
    "cells",
    "combinations",
    "is_dynamic",
    "negative_presets",
    "prompt_inputs",
    "read_axis",
    "read_prompts",
    "resolve",
    "seed_of",
    "slug",
    "split_prompts",
]
