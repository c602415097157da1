"""From a file or folder to a ControlNet of any kind, or a T2I-Adapter."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from bridge import models
from bridge.diffusion import folder, networks
from bridge.diffusion.control_lora import hollow, joined, low_rank_names
from bridge.diffusion.controlnet import SteeringNetwork, UnionEncoder
from bridge.diffusion.device import Placement
from bridge.diffusion.ldm_names import THIRDS, Place, unet_names
from bridge.diffusion.libraries import controlnet_xs
from bridge.diffusion.opening import Build, open_network
from bridge.diffusion.residency import Network
from bridge.diffusion.t2i_adapter import T2IAdapter, adapter_names
from bridge.diffusion.transformer_controlnets import (
    empty_transformer_controlnet,
    entered_as,
    transformer_control_places,
)
from bridge.diffusion.types import ControlNetwork, DiffusionModel
from bridge.diffusion.weights import Names
from bridge.errors import ModelError

_POOLING_NAMES = ("_shuffle", "_shuffle_fp16")
"""Ends of the names of files whose residuals are averaged over the picture; nothing inside tells them."""

_UNION = {
    "ln_1": "transformer_layes.0.ln_1",
    "ln_2": "transformer_layes.0.ln_2",
    "out_proj": "transformer_layes.0.attn.out_proj",
    "c_fc": "transformer_layes.0.mlp.c_fc",
    "c_proj": "transformer_layes.0.mlp.c_proj",
    "linear_1": "control_add_embedding.linear_1",
    "linear_2": "control_add_embedding.linear_2",
}
"""Module of a ``UnionEncoder`` → what a file calls it, misspelt as it is."""


def load_controlnet(path: Path, name: str, base: DiffusionModel | None = None) -> ControlNetwork:
    """Open what steers by pictures: a single file in either naming style, or a diffusers folder.

    Args:
        path: What the catalogue found.
        name: What the user calls it, for messages.
        base: Whose weights are added to those of a file that holds differences.

    Raises:
        ModelError: If it is damaged, unsafe, or no ControlNet; code ``model_incomplete`` if it holds
            differences and there is no base, or is a ControlNet-XS without its configuration; code
            ``model_mismatch`` if it holds differences from another family than the base's.
        UnsupportedModel: If it is one of another family, or of a kind that is not supported.
    """
    file = models.weights_file(path, "diffusion_pytorch_model") if path.is_dir() else path
    header = models.read_header(file)
    found = models.controlnet(header, path.name)
    if isinstance(found, models.AdapterLayout):
        return _adapter(file, name, found)
    if isinstance(found, models.XSPart):
        return _slim(path, file, name, found)
    if isinstance(found, models.TransformerControlPart):
        return _transformer(file, name, found)
    config = networks.controlnet_config(found.layout, found.family)
    if path.is_dir() and not found.control_types:
        config = folder.read_controlnet_config(path)
    elif path.stem.endswith(_POOLING_NAMES):
        config["global_pool_conditions"] = True
    if found.is_difference and base is None:
        raise ModelError(
            f'"{name}" holds only what differs from a checkpoint',
            code="model_incomplete",
            hint="Load it with DiffControlNetLoader.",
        )
    if found.is_difference and base and base.family is not found.family:
        raise ModelError(
            f'"{name}" holds what differs from {found.family.value}; {base.unet.name} is {base.family.value}',
            code="model_mismatch",
            hint=f"Connect a model of {found.family.value} to the loader.",
        )
    build, places = _recipe(config, found, header)
    network = open_network(
        f'{"ControlLoRA" if found.is_low_rank else "ControlNet"} "{name}"',
        build,
        file,
        places,
        finish=functools.partial(_added, base=base.unet) if found.is_difference and base else _same,
    )
    return ControlNetwork(
        network, (found.family,), found.control_types, joined=joined if found.is_low_rank else None
    )


def _adapter(file: Path, name: str, layout: models.AdapterLayout) -> ControlNetwork:
    def build() -> T2IAdapter:
        with torch.device("meta"):
            return T2IAdapter(layout)

    names = functools.partial(adapter_names, layout=layout)
    return ControlNetwork(open_network(f'T2I-Adapter "{name}"', build, file, names), layout.families)


def _slim(path: Path, file: Path, name: str, part: models.XSPart) -> ControlNetwork:
    if not path.is_dir():
        raise ModelError(
            f'"{name}" is a ControlNet-XS without its configuration, which says how it is to be run',
            code="model_incomplete",
            hint="Put config.json and diffusion_pytorch_model.safetensors into a folder of their own there.",
        )
    build = functools.partial(controlnet_xs.empty_slim_controlnet, folder.read_xs_config(path), name)
    network = open_network(f'ControlNet-XS "{name}"', build, file, lambda parameter: [parameter])
    return ControlNetwork(network, (part.family,))


def _transformer(file: Path, name: str, part: models.TransformerControlPart) -> ControlNetwork:
    build = functools.partial(empty_transformer_controlnet, part)
    places = functools.partial(transformer_control_places, part=part)
    network = open_network(
        f'ControlNet "{name}"',
        build,
        file,
        places,
        place=Placement.for_transformer,
        rests_as_stored=True,
    )
    return ControlNetwork(
        network,
        (part.family,),
        part.control_types,
        joined=entered_as if part.kind == "Stability" else None,
        latent_channels=part.latent_channels,
        sees_mask=part.sees_mask,
    )


def _recipe(config: dict[str, Any], part: models.ControlPart, header: models.Header) -> tuple[Build, Names]:
    """Return what builds the network without weights, and where these lie."""
    is_ldm = models.is_ldm(each.removeprefix(part.prefix) for each in header.tensors)
    places = functools.partial(_places, part=part, is_ldm=is_ldm)
    build = functools.partial(_empty, config, part.control_types)
    if part.is_low_rank:
        whole = functools.partial(hollow, build, places, header.shapes)
        return whole, functools.partial(low_rank_names, places)
    return build, places


def _empty(config: dict[str, Any], control_types: int) -> SteeringNetwork:
    if not control_types:
        return SteeringNetwork(networks.empty_controlnet(config))
    with torch.device("meta"):
        union = UnionEncoder(config["block_out_channels"][0], control_types)
    # What the union says of the type goes where diffusers adds a class: to the embedding of time.
    return SteeringNetwork(networks.empty_controlnet({**config, "class_embed_type": "identity"}), union)


def _places(parameter: str, part: models.ControlPart, is_ldm: bool) -> Sequence[str | Place]:
    """Return where a parameter of a ``SteeringNetwork`` may lie."""
    owner, _, rest = parameter.partition(".")
    if owner == "union":
        return [_union_place(part.prefix, rest)]
    name = f"controlnet_cond_embedding.{rest}" if owner == "picture_encoder" else rest
    names = unet_names(name, part.layout.blocks) if is_ldm else [name]
    return [part.prefix + each for each in names]


def _union_place(prefix: str, parameter: str) -> Place:
    module, _, kind = parameter.partition(".")
    if module == "value":
        return Place(f"{prefix}transformer_layes.0.attn.in_proj_{kind}", rows=THIRDS[2])
    return Place(prefix + parameter.replace(module, _UNION.get(module, module)))


@torch.no_grad()
def _added(module: SteeringNetwork, base: Network[Any]) -> SteeringNetwork:
    """Add the weights of a UNet to those that a ControlNet shares with it."""
    own = base.module().state_dict()
    for name, weight in module.network.state_dict().items():
        if name in own:
            weight += own[name].to(weight)
    return module


def _same(module: SteeringNetwork) -> SteeringNetwork:
    return module
