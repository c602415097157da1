"""What steers a denoiser by a picture: ControlNets of all kinds and T2I-Adapters, told by their tensors."""

import re
from dataclasses import dataclass, replace

from bridge.errors import UnsupportedModel
from bridge.models.control_transformer import (
    MARK,
    TransformerControlPart,
    refuse_relatives,
    transformer_controlnet,
)
from bridge.models.family import Family, require_kind, require_unet_family
from bridge.models.header import Header, describing
from bridge.models.layout import Shapes, UNetLayout, strip, unet_layout

_PREFIXES = ("control_model.", "")
_ADAPTER_PREFIXES = ("adapter.", "")
_LOW_RANK_MARK = "lora_controlnet"
_XS_MARK = "control_to_base_for_conv_in.weight"
_XS_LDM_MARKS = "enc_zero_convs_in.", "control_model.enc_zero_convs_in."


@dataclass(frozen=True, slots=True)
class ControlPart:
    """A ControlNet in a file, the encoder of a UNet with a picture encoder before it.

    Args:
        family: What it was made for.
        layout: Of its encoder.
        prefix: What its tensors' names start with.
        control_types: How many kinds of pictures a union ControlNet is told apart; 0 for a plain one.
        is_difference: Whether the UNet's own weights are to be added to its weights.
        is_low_rank: Whether most of its weights are the UNet's own plus a product of two narrow matrices,
            ``up`` and ``down``, as in a ControlLoRA.
    """

    family: Family
    layout: UNetLayout
    prefix: str
    control_types: int = 0
    is_difference: bool = False
    is_low_rank: bool = False


@dataclass(frozen=True, slots=True)
class XSPart:
    """A ControlNet-XS in a file: the family it was made for. Only its configuration tells the rest."""

    family: Family


@dataclass(frozen=True, slots=True)
class AdapterLayout:
    """A T2I-Adapter.

    Args:
        in_channels: Of the picture it reads: 3, or 1 for shades of grey.
        factor: Pixels along a side of what becomes one pixel of its first level.
        channels: Width of each level, finest first.
        blocks: Residual blocks a level.
        kernel: Side of the second convolution of its blocks.
        is_light: Whether each level works in a quarter of its channels.
        is_diffusers: Whether names are diffusers'.
        convolves: Whether convolutions shrink its levels, not averages.
        prefix: What its tensors' names start with.
    """

    in_channels: int
    factor: int
    channels: tuple[int, ...]
    blocks: int
    kernel: int
    is_light: bool
    is_diffusers: bool
    convolves: bool
    prefix: str

    @property
    def families(self) -> tuple[Family, ...]:
        """What it was made for: those for SDXL skip the first level of its UNet."""
        return (Family.SDXL,) if self.factor == 16 else (Family.SD1, Family.SD2)


@describing
def controlnet(header: Header, name: str) -> ControlPart | TransformerControlPart | XSPart | AdapterLayout:
    """Describe a ControlNet, or a T2I-Adapter.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is neither, ``model_corrupt`` if it is damaged.
        UnsupportedModel: If it is one of another family, or of an unknown shape.
    """
    refuse_relatives(header, name)
    require_kind(header, name, "controlnet", "t2i_adapter")
    if any(key.startswith(_XS_LDM_MARKS) for key in header.tensors):
        raise UnsupportedModel(
            f'"{name}" is a ControlNet-XS in the layout of its authors, which does not hold its settings',
            hint="Get the version for diffusers: a folder with config.json and .safetensors.",
        )
    if _XS_MARK in header.tensors:
        return XSPart(_xs_family(header.shapes))
    if any(key.startswith(MARK) for key in header.tensors):
        return transformer_controlnet(header, name)
    for prefix in _ADAPTER_PREFIXES:
        if adapter := _adapter_layout(strip(header.shapes, prefix), prefix):
            return adapter
    is_low_rank = _LOW_RANK_MARK in header.tensors
    header = _multiplied(header) if is_low_rank else header
    for prefix in _PREFIXES:
        layout = unet_layout(strip(header.shapes, prefix))
        if layout and layout.hint_channels:
            tasks = header.shapes.get(prefix + "task_embedding", (0,))
            is_difference = "difference" in header.tensors
            family = require_unet_family(header, name)
            return ControlPart(family, layout, prefix, tasks[0], is_difference, is_low_rank)
    raise UnsupportedModel(
        f'"{name}" is a ControlNet of an unknown shape',
        hint="Choose one for Stable Diffusion 1.x, 2.x or SDXL, in diffusers' or the original layout, or one "
        "for SD3 or Flux.",
    )


def _multiplied(header: Header) -> Header:
    """Describe weights instead of the narrow matrices that they are products of."""
    tensors = dict(header.tensors)
    for name, down in header.tensors.items():
        layer, _, kind = name.rpartition(".")
        if kind == "down":
            up = header.tensors[f"{layer}.up"]
            tensors[f"{layer}.weight"] = replace(down, shape=(up.shape[0], *down.shape[1:]))
    return replace(header, tensors=tensors)


def _xs_family(shapes: Shapes) -> Family:
    """SDXL's UNets have transformers of several blocks, those of SD 2 begin with a linear layer."""
    if any(".transformer_blocks.1." in name for name in shapes):
        return Family.SDXL
    is_linear = any(name.endswith(".proj_in.weight") and len(shapes[name]) == 2 for name in shapes)
    return Family.SD2 if is_linear else Family.SD1


def _adapter_layout(shapes: Shapes, prefix: str) -> AdapterLayout | None:
    """Describe a T2I-Adapter; ``None`` if it is none, or its blocks have another form."""
    is_diffusers = any(".resnets." in name for name in shapes)
    is_light = "body.0.out_conv.weight" in shapes
    first = shapes.get("body.0.in_conv.weight" if is_light else "conv_in.weight")
    width = _numbers(shapes, r"body\.(\d+)\.")
    if not (first and width) or any(".skep." in name for name in shapes):
        return None
    if is_diffusers or is_light:
        inner = "resnets" if is_diffusers else "body"
        blocks = _numbers(shapes, rf"body\.0\.{inner}\.(\d+)\.")
    else:
        width, blocks = width // 2, 2  # the original's configuration; names do not tell levels from blocks
    last = "body.{1}.block2.weight"
    if is_light or is_diffusers:
        last = "body.{0}.out_conv.weight" if is_light else "body.{0}.resnets.0.block2.weight"
    kernel = shapes.get("body.0.resnets.0.block2.weight") or shapes.get("body.0.block2.weight") or (0,)
    return AdapterLayout(
        in_channels=3 if first[1] % 3 == 0 else 1,
        factor=16 if first[1] in (16 * 16, 3 * 16 * 16) else 8,
        channels=tuple(shapes[last.format(level, 2 * level)][0] for level in range(width)),
        blocks=blocks,
        kernel=3 if is_light else kernel[-1],
        is_light=is_light,
        is_diffusers=is_diffusers,
        convolves=any(name.endswith("down_opt.op.weight") for name in shapes),
        prefix=prefix,
    )


def _numbers(shapes: Shapes, pattern: str) -> int:
    """Count the different numbers at a place of names."""
    return len({match[1] for name in shapes if (match := re.match(pattern, name))})
