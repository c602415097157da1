"""Large libraries, imported when something of them is first used.

diffusers and transformers take seconds to import and two hundred megabytes, much of it torch's compiler, that
they want for a few decorators. Nodes are described without them: a worker is ready before they are there, and
one that nobody asks for pictures stays small.
"""

import functools
import importlib
from typing import Any

from bridge.engine import importing


class Library:
    """Stands for a module, and imports it as late as can be.

    Args:
        name: Of the module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        import_libraries()
        value = getattr(importlib.import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value


@functools.cache
def import_libraries() -> None:
    """Import what every picture needs, if it is not there yet."""
    with importing():
        from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel  # noqa: F401
        from transformers import CLIPTextModel, CLIPTokenizer  # noqa: F401


controlnet_xs = Library("bridge.diffusion.controlnet_xs")
"""Our module whose classes are made of diffusers'."""

diffusers = Library("diffusers")
diffusers_attention = Library("diffusers.models.attention")
diffusers_embeddings = Library("diffusers.models.embeddings")
scipy_special = Library("scipy.special")
transformers = Library("transformers")
transformers_t5 = Library("transformers.models.t5.modeling_t5")
