"""``comfy.comfy_types``: names of socket types, and bases of nodes that only help editors of code."""

from enum import Enum
from typing import Any, TypedDict

__all__ = ["IO", "CheckLazyMixin", "ComfyNodeABC", "FileLocator", "InputTypeDict", "InputTypeOptions"]


class IO(str, Enum):  # noqa: UP042 - packs compare members with plain texts
    """Socket types."""

    STRING = "STRING"
    IMAGE = "IMAGE"
    MASK = "MASK"
    LATENT = "LATENT"
    BOOLEAN = "BOOLEAN"
    INT = "INT"
    FLOAT = "FLOAT"
    COMBO = "COMBO"
    CONDITIONING = "CONDITIONING"
    SAMPLER = "SAMPLER"
    SIGMAS = "SIGMAS"
    GUIDER = "GUIDER"
    NOISE = "NOISE"
    CLIP = "CLIP"
    CONTROL_NET = "CONTROL_NET"
    VAE = "VAE"
    MODEL = "MODEL"
    CLIP_VISION = "CLIP_VISION"
    CLIP_VISION_OUTPUT = "CLIP_VISION_OUTPUT"
    STYLE_MODEL = "STYLE_MODEL"
    GLIGEN = "GLIGEN"
    UPSCALE_MODEL = "UPSCALE_MODEL"
    AUDIO = "AUDIO"
    VIDEO = "VIDEO"
    BBOX = "BBOX"
    SEGS = "SEGS"
    ANY = "*"
    NUMBER = "FLOAT,INT"
    PRIMITIVE = "STRING,FLOAT,INT,BOOLEAN"

    def __str__(self) -> str:
        return str(self.value)


class ComfyNodeABC:
    """A base of nodes of the first form; says nothing of its own."""


class CheckLazyMixin:
    """Asks for every lazy input that is not there yet."""

    def check_lazy_status(self, **inputs: Any) -> list[str]:
        """Return the lazy inputs that are needed."""
        return [name for name, value in inputs.items() if value is None]


InputTypeDict = dict[str, Any]
InputTypeOptions = dict[str, Any]


class FileLocator(TypedDict):
    """A file that a node shows."""

    filename: str
    subfolder: str
    type: str
