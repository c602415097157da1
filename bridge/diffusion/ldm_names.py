"""Where the original code (LDM) keeps what diffusers calls otherwise.

Each function takes the name of a parameter in a diffusers or transformers network and returns the places
it may have in a single file, most likely first. The rules are read off the two architectures; they hold
for any depth.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET = (
    (r"controlnet_cond_embedding\.conv_in\.", "input_hint_block.0."),
    (r"conv_in\.", "input_blocks.0.0."),
    (r"time_embedding\.linear_1\.", "time_embed.0."),
    (r"time_embedding\.linear_2\.", "time_embed.2."),
    (r"add_embedding\.linear_1\.", "label_emb.0.0."),
    (r"add_embedding\.linear_2\.", "label_emb.0.2."),
    (r"class_embedding\.linear_1\.", "label_emb.0.0."),
    (r"class_embedding\.linear_2\.", "label_emb.0.2."),
    (r"mid_block\.resnets\.0\.", "middle_block.0."),
    (r"mid_block\.attentions\.0\.", "middle_block.1."),
    (r"mid_block\.resnets\.1\.", "middle_block.2."),
    (r"conv_norm_out\.", "out.0."),
    (r"conv_out\.", "out.2."),
    (r"controlnet_mid_block\.", "middle_block_out.0."),
)
_AUTOENCODER = (
    (r"mid_block\.resnets\.0\.", "mid.block_1."),
    (r"mid_block\.resnets\.1\.", "mid.block_2."),
    (r"mid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"mid_block\.attentions\.0\.to_([qkv])\.", r"mid.attn_1.\1."),
    (r"mid_block\.attentions\.0\.to_out\.0\.", "mid.attn_1.proj_out."),
    (r"conv_norm_out\.", "norm_out."),
    (r"conv_shortcut\.", "nin_shortcut."),
)
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


_OPEN_CLIP = (
    (r"embeddings\.token_embedding\.", "token_embedding."),
    (r"embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"encoder\.layers\.", "transformer.resblocks."),
    (r"layer_norm(\d)\.", r"ln_\1."),
    (r"mlp\.fc1\.", "mlp.c_fc."),
    (r"mlp\.fc2\.", "mlp.c_proj."),
    (r"self_attn\.out_proj\.", "attn.out_proj."),
    (r"final_layer_norm\.", "ln_final."),
)

Rows = tuple[int, int, int]
THIRDS: tuple[Rows, ...] = (0, 1, 3), (1, 2, 3), (2, 3, 3)
"""Where query, key and value lie in a matrix of all three."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter lies in a file.

    Args:
        name: Of the stored tensor.
        rows: (first, last, of): its rows from first / of to last / of. Query, key and value often share a
            matrix. ``None`` for all.
        is_transposed: Whether it is stored the other way round.
        is_swapped: Whether its halves are stored in the other order.
    """

    name: str
    rows: Rows | None = None
    is_transposed: bool = False
    is_swapped: bool = False

    def under(self, prefix: str) -> Self:
        """Return the place in a file whose names begin with a prefix."""
        return replace(self, name=prefix + self.name)


def unet_names(name: str, blocks: int) -> list[str]:
    """Translate a parameter of a UNet or ControlNet.

    Args:
        name: In diffusers' style.
        blocks: Residual blocks a level of its encoder.
    """
    if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
        side, level, kind, block, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
        first = level * (blocks + 1)
        if kind == "downsamplers":
            return [f"input_blocks.{first + blocks + 1}.0.op.{rest.removeprefix('conv.')}"]
        if kind == "upsamplers":  # behind the attention, where the level has one
            return [f"output_blocks.{first + blocks}.{slot}.{rest}" for slot in (1, 2)]
        place = f"input_blocks.{1 + first + block}" if side == "down" else f"output_blocks.{first + block}"
        return [f"{place}.0.{_in_resnet(rest)}" if kind == "resnets" else f"{place}.1.{rest}"]
    if match := re.fullmatch(r"controlnet_cond_embedding\.blocks\.(\d+)\.(.+)", name):
        return [f"input_hint_block.{2 * int(match[1]) + 2}.{match[2]}"]
    if match := re.fullmatch(r"controlnet_cond_embedding\.conv_out\.(.+)", name):
        return [f"input_hint_block.{last}.{match[1]}" for last in range(14, 0, -2)]
    if match := re.fullmatch(r"controlnet_down_blocks\.(\d+)\.(.+)", name):
        return [f"zero_convs.{match[1]}.0.{match[2]}"]
    return [_in_resnet(_renamed(name, _UNET)) if "resnets" in name else _renamed(name, _UNET)]


def blocks_per_level(names: Iterable[str]) -> int:
    """Count the residual blocks a level of a UNet's encoder, by its parameters in diffusers' style."""
    found = (re.match(r"down_blocks\.0\.resnets\.(\d+)\.", name) for name in names)
    return len({match[1] for match in found if match})


def autoencoder_names(name: str, levels: int) -> list[str]:
    """Translate a parameter of an autoencoder.

    Args:
        name: In diffusers' style.
        levels: Number of its levels; the original counts the decoder's from the finest.
    """
    name = _renamed(name, _AUTOENCODER)
    if match := re.fullmatch(r"(encoder|decoder)\.(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.+)", name):
        half, side, level, kind, block, rest = match.groups()
        number = int(level) if side == "down" else levels - 1 - int(level)
        inner = f"block.{block}.{rest}" if kind == "resnets" else f"{side}sample.{rest}"
        return [f"{half}.{side}.{number}.{inner}"]
    return [name]


def open_clip_places(name: str) -> list[Place]:
    """Translate a parameter of a CLIP text tower to OpenCLIP's names.

    Args:
        name: In transformers' style.
    """
    name = name.removeprefix("text_model.")
    if name == "text_projection.weight":
        return [Place("text_projection", is_transposed=True), Place("text_projection.weight")]
    if match := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(weight|bias)", name):
        layer, letter, kind = match.groups()
        return [Place(f"transformer.resblocks.{layer}.attn.in_proj_{kind}", THIRDS["qkv".index(letter)])]
    return [Place(_renamed(name, _OPEN_CLIP))]


def old_diffusers_names(name: str) -> list[str]:
    """Return what files of older diffusers call an autoencoder's parameter."""
    for new, old in _OLD_ATTENTION.items():
        if f".attentions.0.{new}." in name:
            return [name, name.replace(f".{new}.", f".{old}.")]
    return [name]


def _in_resnet(name: str) -> str:
    for mine, theirs in _RESNET.items():
        name = re.sub(rf"(^|\.){mine}\.", rf"\g<1>{theirs}.", name)
    return name


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        name = re.sub(rf"(?<![\w]){pattern}", replacement, name)
    return name
