# SPDX-License-Identifier: GPL-3.0-or-later
"""Trigger words of the models that a preset has chosen, as far as the daemon has told them."""

from ._bridge.host.model_words import ModelWords

known = ModelWords()
"""Those of this Blender's connection."""
