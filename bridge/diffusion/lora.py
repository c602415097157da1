"""Applying LoRA files, in every trainer's layout, to a checkpoint's networks.

Names, shapes and family are checked where the loader node runs; the tensors are read when a network that
the file changes is first needed.
"""

import functools
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.lora_names import Target, targets_of
from bridge.diffusion.patching import Change, patched
from bridge.diffusion.reading import Loader, reading, running_loader
from bridge.diffusion.residency import Network
from bridge.diffusion.types import DiffusionModel, TextEncoder
from bridge.engine import current_job
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Adapter, Family, Header, Shape, adapters_of, lora_family, read_header

C = TypeVar("C", TextEncoder, None)


def apply_lora(
    path: Path,
    name: str,
    model: DiffusionModel,
    clip: C,
    strength_model: float,
    strength_clip: float,
) -> tuple[DiffusionModel, C]:
    """Return a denoiser and a text encoder with a LoRA; strengths of 0 return what was given.

    Args:
        path: The file.
        name: What the user calls it, for messages.
        model: For the adapters of the UNet.
        clip: For those of the text towers; ``None`` leaves them out.
        strength_model: Any number; 1 is as trained, a negative one leads the other way.
        strength_clip: As ``strength_model``.

    Raises:
        ModelError: If the file is damaged or no LoRA; code ``model_mismatch`` if it was made for another
            family, changes nothing here, or has a tensor that does not fit.
        UnsupportedModel: If it is of a kind that cannot be applied.
    """
    if strength_model == strength_clip == 0:
        return model, clip
    header = read_header(path)
    adapters = adapters_of(header, name)
    _require_family(header, adapters, name, model)
    if model.family is Family.FLUX:  # trainers count T5 as the third tower, though here it is the second
        adapters = [replace(each, part="text_2") if each.part == "text_3" else each for each in adapters]
    targets: dict[str, Network[Any]] = {"unet": model.unet}
    parts: list[str] = []
    if clip is not None:
        parts = _parts(clip)
        targets |= {part: tower.network for part, tower in zip(parts, clip.towers, strict=True)}
    found = {
        part: _matches(network, part, model.family, adapters, name, header)
        for part, network in targets.items()
    }
    _require_matches(found, adapters, name, header)

    def with_lora(part: str, strength: float) -> Network[Any]:
        network = targets[part]
        if not found[part]:
            return network
        patch = LoraPatch(path, name, strength, found[part], header, running_loader())
        return patched(network, patch, _widened(network, found[part], header))

    if strength_model != 0:
        model = replace(model, unet=with_lora("unet", strength_model))
    if clip is not None and strength_clip != 0:
        towers = (
            replace(tower, network=with_lora(part, strength_clip))
            for part, tower in zip(parts, clip.towers, strict=True)
        )
        clip = replace(clip, towers=tuple(towers))
    return model, clip


Match = tuple[Target, Adapter]
Matches = Mapping[str, tuple[Match, ...]]
"""Parameter of a network → the adapters that change it."""


@dataclass(frozen=True, slots=True)
class LoraPatch:
    """The adapters of a file for one network; see ``patching.Patch``.

    Args:
        path: The file.
        name: What the user calls it.
        strength: Of all its adapters.
        matches: What changes what.
        header: Of the file, as it was checked.
        loader: In whose name reading is reported.
    """

    path: Path
    name: str
    strength: float
    matches: Matches
    header: Header
    loader: Loader | None

    @property
    def label(self) -> str:
        """What it is, for messages."""
        return f'LoRA "{self.name}"'

    @property
    def names(self) -> Collection[str]:
        """The parameters it changes."""
        return self.matches.keys()

    def changes(self) -> Mapping[str, Change]:
        """Read the file.

        Raises:
            ModelError: Code ``model_corrupt`` if it is not what it was, or holds what is no number.
            OutOfMemory: If it does not fit.
        """
        adapters = [each for matches in self.matches.values() for _, each in matches]
        # A module may be several parameters.
        tensors = self._read(list(dict.fromkeys(key for each in adapters for key in each.tensors.values())))

        def change(matches: tuple[Match, ...], weight: Tensor) -> Tensor:
            for target, each in matches:
                parts = {role: tensors[key].to(weight.device) for role, key in each.tensors.items()}
                weight = target.changed(each.kind, weight, parts, self.strength)
            return weight

        return {name: functools.partial(change, matches) for name, matches in self.matches.items()}

    def _read(self, keys: Collection[str]) -> dict[str, Tensor]:
        total = sum(self.header.tensors[key].end - self.header.tensors[key].begin for key in keys)
        tensors: dict[str, Tensor] = {}
        try:
            with reading(self.loader, total) as on_read, safe_open(self.path, framework="pt") as file:
                for key in keys:
                    tensor = file.get_tensor(key)
                    self._check(key, tensor)
                    with memory_errors(f"loading {self.label}"):  # which the clause below would misread
                        tensors[key] = tensor.to(torch.float32, copy=True)
                    on_read(tensor.nbytes)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise _corrupt(self.name, f"cannot be read any more: {error}") from error
        return tensors

    def _check(self, key: str, tensor: Tensor) -> None:
        if tuple(tensor.shape) != self.header.tensors[key].shape:
            raise _corrupt(self.name, "has changed since it was opened")
        if not bool(tensor.isfinite().all()):
            raise _corrupt(self.name, f'holds values that are no numbers, in "{key}"')


def _parts(clip: TextEncoder) -> list[str]:
    """Return what a LoRA calls the text towers, of which Stable Diffusion 3 may lack some."""
    if clip.family is Family.SD3:
        return [{"clip_l": "text_1", "clip_g": "text_2"}.get(tower.kind, "text_3") for tower in clip.towers]
    return [f"text_{number}" for number, _ in enumerate(clip.towers, 1)]


def _matches(
    network: Network[Any],
    part: str,
    family: Family,
    adapters: Iterable[Adapter],
    name: str,
    header: Header,
) -> Matches:
    """Find the parameters of a network that adapters of a file change, and check their shapes."""
    mine = [each for each in adapters if each.part == part]
    if not mine:
        return {}
    targets = targets_of(network.shapes, part, family)
    found: dict[str, tuple[Match, ...]] = {}
    for each in mine:
        for target in targets.get(each.module, []):
            if each.kind == "bias_difference":
                target = replace(target, parameter=target.parameter.removesuffix("weight") + "bias")
            if shape := network.shapes.get(target.parameter):
                _require_fit(target, each, shape, name, header)
                found[target.parameter] = (*found.get(target.parameter, ()), (target, each))
    return found


def _require_family(header: Header, adapters: Iterable[Adapter], name: str, model: DiffusionModel) -> None:
    family = lora_family(header, adapters)
    if family and family is not model.family:
        raise ModelError(
            f'"{name}" is a LoRA for {family.value}; {model.unet.name} belongs to {model.family.value}',
            code="model_mismatch",
            hint="Choose a LoRA and a checkpoint of the same family.",
        )


def _require_fit(target: Target, adapter: Adapter, weight: Shape, name: str, header: Header) -> None:
    try:
        changed = _changed_shape(target, adapter, weight, header)
        fits = changed == weight or (target.least_inputs > 0 and adapter.kind == "lora")
    except NotImplementedError as error:
        raise UnsupportedModel(
            f'"{name}" changes "{adapter.module}" in a way that needs more than a part of its matrix',
            hint="Use a LoRA in the naming of diffusers, or one of another kind.",
        ) from error
    except (RuntimeError, ValueError, IndexError):
        fits = False
    alpha = adapter.tensors.get("alpha")
    if not fits or (alpha and math.prod(header.tensors[alpha].shape) != 1):
        shapes = ", ".join(f'"{key}" {list(header.shapes[key])}' for key in adapter.tensors.values())
        raise ModelError(
            f'"{name}" does not fit the checkpoint: {shapes} for a weight of shape {list(weight)}',
            code="model_mismatch",
            hint="It was made for another checkpoint; choose another LoRA.",
        )


def _changed_shape(target: Target, adapter: Adapter, weight: Shape, header: Header) -> Shape:
    """Change a weight without memory, so that only its shape is there to complain."""
    parts = {
        role: torch.empty(header.tensors[key].shape, device="meta")
        for role, key in adapter.tensors.items()
        if role != "alpha"
    }
    return tuple(target.changed(adapter.kind, torch.empty(weight, device="meta"), parts, 1.0).shape)


def _widened(network: Network[Any], matches: Matches, header: Header) -> dict[str, Shape]:
    """Return the new shapes of the weights that adapters make larger."""
    shapes: dict[str, Shape] = {}
    for name, found in matches.items():
        for target, each in found:
            if target.least_inputs:
                shape = shapes.get(name, network.shapes[name])
                shapes[name] = _changed_shape(target, each, shape, header)
    return shapes


def _require_matches(
    found: Mapping[str, Matches], adapters: Collection[Adapter], name: str, header: Header
) -> None:
    """Refuse a file that changes nothing; warn of tensors that nothing takes."""
    used = {
        key
        for part in found.values()
        for matches in part.values()
        for _, each in matches
        for key in each.tensors.values()
    }
    if not used:
        for_text = len(found) == 1 and all(each.part != "unet" for each in adapters)
        raise ModelError(
            f'"{name}" changes nothing in this checkpoint: it has none of the {len(adapters)} modules',
            code="model_mismatch",
            hint="It is for text encoders: use LoraLoader."
            if for_text
            else "It was made for another architecture; choose another LoRA.",
        )
    elsewhere = {key for each in adapters if each.part not in found for key in each.tensors.values()}
    if idle := len(header.tensors.keys() - used - elsewhere):
        current_job().warn(
            "lora_in_part",
            f'{idle} of {len(header.tensors)} tensors of the LoRA "{name}" match nothing in this checkpoint',
            "The rest is applied. If it does not do as you expect, it was made for another checkpoint.",
            "lora_name",
        )


def _corrupt(name: str, fault: str) -> ModelError:
    return ModelError(f'LoRA "{name}" {fault}', code="model_corrupt", hint="Download it again.")
