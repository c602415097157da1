"""How strongly an image prompt speaks in each of a UNet's transformers: the weight types.

Transformers are counted as the UNet runs them: encoder, middle, decoder. What single ones are good for,
style or composition, was found by trying: InstantStyle (Wang et al. 2024, §3.2) for SDXL, and the authors
of ComfyUI_IPAdapter_plus, whose factors these are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bridge.errors import InputError

WeightType = Literal[
    "linear",
    "ease in",
    "ease out",
    "ease in-out",
    "reverse in-out",
    "weak input",
    "weak output",
    "weak middle",
    "strong middle",
    "style transfer",
    "composition",
    "strong style transfer",
    "style and composition",
    "style transfer precise",
    "composition precise",
]
"""By the names of ComfyUI_IPAdapter_plus."""

Part = Literal["input", "middle", "output"]


@dataclass(frozen=True, slots=True)
class Voice:
    """How an image prompt speaks in one transformer.

    Args:
        weight: Of what it says; 0 is silence.
        is_inverted: Whether the picture is what not to paint: the negative prompt's side gets it, and the
            positive side nothing.
    """

    weight: float
    is_inverted: bool = False


SILENT = Voice(0.0)

_WEAK = 0.2
_WEAK_PARTS: dict[str, tuple[Part, ...]] = {
    "weak input": ("input",),
    "weak output": ("output",),
    "weak middle": ("middle",),
    "strong middle": ("input", "output"),
}

_LEAST = 0.05
_EASED: dict[str, Callable[[float], float]] = {
    "ease in": lambda progress: 1 - progress,
    "ease out": lambda progress: progress,
    "ease in-out": lambda progress: 1 - abs(2 * progress - 1),
    "reverse in-out": lambda progress: abs(2 * progress - 1),
}
"""Weight type → factor at a fraction of the way through the UNet; what is left of 0 is ``_LEAST``."""

_Factors = dict[int, float]


def _all(*numbers: int, factor: float = 1.0) -> _Factors:
    return dict.fromkeys(numbers, factor)


_SD_COMPOSITION = {4: 0.25, 5: 1.0}
_SD_STYLE = _all(0, 1, 2, 3, *range(9, 16))
_XL_COMPOSITION = {3: 1.0}
_XL_STYLE = {6: 1.0}
_XL_OTHERS = (0, 1, 2, 4, 5, 7, 8, 9, 10)

_SINGLE: dict[int, dict[str, _Factors]] = {
    16: {
        "style transfer": _SD_STYLE,
        "composition": _SD_COMPOSITION,
        "strong style transfer": _SD_STYLE | _all(6, 7, 8),
        "style and composition": _SD_STYLE | _SD_COMPOSITION,
        "style transfer precise": _SD_STYLE | _SD_COMPOSITION,
        "composition precise": _SD_STYLE | _SD_COMPOSITION | _all(6, 7, 8, factor=0.1),
    },
    11: {
        "style transfer": _XL_STYLE,
        "composition": _XL_COMPOSITION,
        "strong style transfer": _XL_STYLE | _all(*_XL_OTHERS),
        "style and composition": _XL_STYLE | _XL_COMPOSITION,
        "style transfer precise": _XL_STYLE | _XL_COMPOSITION,
        "composition precise": _XL_STYLE | _XL_COMPOSITION | _all(*_XL_OTHERS, factor=0.1),
    },
}
"""Transformers of the UNet (16 are Stable Diffusion 1.x's and 2.x's, 11 SDXL's) → weight type → factors."""

_COMPOSITION = {16: _SD_COMPOSITION, 11: _XL_COMPOSITION}


def voice(weight_type: WeightType, weight: float, index: int, count: int, part: Part | None) -> Voice:
    """Return how an image prompt speaks in one transformer.

    Args:
        weight_type: How weight is spread.
        weight: The user's.
        index: Number of the transformer.
        count: How many the network has.
        part: Where it stands in a UNet; ``None`` in Flux.

    Raises:
        InputError: If the weight type names parts or transformers of a full UNet, and this is none.
    """
    if weight_type == "linear":
        return Voice(weight)
    if weight_type in _EASED:
        return Voice(weight * (_LEAST + (1 - _LEAST) * _EASED[weight_type](index / count)))
    if part is None:
        raise InputError(
            f'the weight type "{weight_type}" is made for the parts of a UNet, which Flux has not',
            hint='Choose "linear", or one of those that ease in or out.',
        )
    if weight_type in _WEAK_PARTS:
        return Voice(weight * (_WEAK if part in _WEAK_PARTS[weight_type] else 1.0))
    if count not in _SINGLE:
        raise InputError(
            f'the weight type "{weight_type}" is made for the 16 transformers of Stable Diffusion 1.x or the '
            f"11 of SDXL; this UNet has {count}",
            hint='Choose "linear" or another weight type.',
        )
    factors = _SINGLE[count][weight_type]
    if index not in factors:
        return SILENT
    arranges = index in _COMPOSITION[count]
    if weight_type == "style and composition" and arranges:
        return Voice(factors[index])  # of full weight, whatever the user's
    inverted = {"style transfer precise": arranges, "composition precise": not arranges}
    return Voice(weight * factors[index], inverted.get(weight_type, False))
