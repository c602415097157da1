"""Which parameters of a network the modules of a LoRA are, in the spelling of every trainer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from bridge.diffusion.adapters import Parts, changed
from bridge.diffusion.ldm_names import Place, blocks_per_level, unet_names
from bridge.diffusion.transformer_names import original_place
from bridge.models import UNET_FAMILIES, Family, Shape

_FLUX_INPUT, _FLUX_OUTPUT = "x_embedder.weight", "proj_out.weight"

_MASK_INPUTS = 256
"""Values of a mask above a patch of Flux's latents, which fill reads beside those of a picture."""


@dataclass(frozen=True, slots=True)
class Target:
    """A parameter that belongs to a module of a LoRA.

    Args:
        parameter: Its name.
        place: Where the module has it, if that holds more than this parameter, or holds it otherwise.
        least_inputs: What a layer reads at least that adapters may widen, so that it also reads what it is
            shown beside that; 0 for all others.
    """

    parameter: str
    place: Place | None = None
    least_inputs: int = 0

    def changed(self, kind: str, weight: Tensor, parts: Parts, strength: float) -> Tensor:
        """Return the parameter as an adapter of its module wants it; see ``adapters.changed``.

        Raises:
            NotImplementedError: If the adapter cannot be known by a part of its module alone.
        """
        if self.least_inputs and kind == "lora":
            weight, parts = self._widened(weight, parts)
        if self.place is None:
            return changed(kind, weight, parts, strength)
        if self.place.is_swapped:
            return _swapped(changed(kind, _swapped(weight), parts, strength))
        assert self.place.rows
        first, last, of = self.place.rows
        step = len(weight) // (last - first)
        rows = slice(first * step, last * step)
        if kind == "lora" and not parts.keys() & {"mid", "magnitude", "dora_scale"}:
            if len(parts["up"]) != step * of:
                raise ValueError(f"{len(parts['up'])} outputs for a weight of {step * of}")
            return changed(kind, weight, {**parts, "up": parts["up"][rows]}, strength)
        norms = parts.get("dora_scale")
        if kind == "oft" or (norms is not None and len(norms) != step * of):
            raise NotImplementedError(kind)
        whole = torch.zeros(step * of, *weight.shape[1:], device=weight.device)
        whole[rows] = weight
        return changed(kind, whole, parts, strength)[rows]

    def _widened(self, weight: Tensor, parts: Parts) -> tuple[Tensor, Parts]:
        """Let the narrower one, the weight or the adapter, ignore what only the other reads."""
        down = parts["down"]
        least, most = sorted(each.shape[1] for each in (weight, down))
        if least != self.least_inputs or most - least not in (least, least + _MASK_INPUTS):
            return weight, parts
        weight, down = (pad(each, (0, most - each.shape[1])) for each in (weight, down))
        return weight, {**parts, "down": down}


def targets_of(shapes: Mapping[str, Shape], part: str, family: Family) -> dict[str, list[Target]]:
    """Return every spelling of a module's name, with underscores for dots → the weights that it is.

    Args:
        shapes: Of a network's parameters.
        part: Which network it is.
        family: Whose.
    """
    if part != "unet":
        return _spelled({name: [name.removeprefix("text_model.")] for name in shapes})
    if family in UNET_FAMILIES:
        blocks = blocks_per_level(shapes)
        return _spelled({name: [name, *unet_names(name, blocks)] for name in shapes})
    found = _spelled({name: [name] for name in shapes})
    depth = len({match[1] for name in shapes if (match := re.match(r"transformer_blocks\.(\d+)\.", name))})
    for name in shapes:
        if name.endswith(".weight"):
            place = original_place(name, family, depth)
            is_alike = place.rows is None and not place.is_swapped
            spelling = _flat(place.name.removesuffix(".scale"))
            found.setdefault(spelling, []).append(Target(name, None if is_alike else place))
    if family is Family.FLUX:
        target = Target(_FLUX_INPUT, least_inputs=shapes[_FLUX_OUTPUT][0])
        found |= {spelling: [target] for spelling in ("x_embedder", "img_in")}
    return found


def _spelled(spellings: Mapping[str, list[str]]) -> dict[str, list[Target]]:
    """Keep the first weight of each spelling."""
    found: dict[str, list[Target]] = {}
    for name, spelled in spellings.items():
        if name.endswith(".weight"):
            for spelling in spelled:
                found.setdefault(_flat(spelling), [Target(name)])
    return found


def _flat(name: str) -> str:
    return name.removesuffix(".weight").replace(".", "_")


def _swapped(weight: Tensor) -> Tensor:
    return torch.cat(weight.chunk(2)[::-1])
