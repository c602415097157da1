"""Reading a LoRA file's names: which modules it changes, in which way, and which family it was made for.

One module's tensors share a stem and differ in their ending. A stem is spelled in as many ways as there
are trainers; ``Adapter.part`` and ``Adapter.module`` are the same for all of them.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from bridge.errors import ModelError, UnsupportedModel
from bridge.models.family import CONTEXT_WIDTHS, Family, refuse_other_kinds
from bridge.models.header import Header, Shape

Part = Literal["unet", "text_1", "text_2", "text_3"]
"""Which network an adapter changes: the denoiser, or one of the text towers; T5 is the last."""

_LOW_RANK = r"[._]lora(?:_linear_layer)?[._]"
_ENDINGS = (
    ("lora", "up", rf"{_LOW_RANK}(?:up|B)(?:\.default)?(?:\.weight)?"),
    ("lora", "down", rf"{_LOW_RANK}(?:down|A)(?:\.default)?(?:\.weight)?"),
    ("lora", "mid", r"\.lora_mid\.weight"),
    ("lora", "magnitude", r"\.lora_magnitude_vector(?:\.default)?(?:\.weight)?"),
    ("loha", r"\1", r"\.hada_(w[12]_[ab]|t[12])"),
    ("lokr", r"\1", r"\.lokr_(w[12](?:_[ab])?|t2)"),
    ("glora", r"\1", r"\.([ab][12])\.weight"),
    ("oft", "blocks", r"\.oft_blocks"),
    ("oft", "rescale", r"\.rescale"),
    ("difference", "diff", r"\.(?:diff|w_norm)"),
    ("bias_difference", "diff", rf"(?:\.diff_b|\.b_norm|{_LOW_RANK}B\.bias)"),
    ("replacement", "value", r"(?:(?<=_norm)\.scale|(?<=norm_[qk])\.weight|(?<=norm_added_[qk])\.weight)"),
    ("", "alpha", r"\.alpha"),
    ("", "dora_scale", r"\.dora_scale"),
    ("ia3", "on_input", r"\.on_input"),
)
"""Kind, role, and how the name of such a tensor ends; no kind where every kind may have it."""

ADAPTER_KINDS: Mapping[str, tuple[frozenset[str], ...]] = {
    "lora": (frozenset({"up", "down"}),),
    "loha": (frozenset({"w1_a", "w1_b", "w2_a", "w2_b"}),),
    "lokr": tuple(
        frozenset({*first, *second})
        for first in (("w1",), ("w1_a", "w1_b"))
        for second in (("w2",), ("w2_a", "w2_b"))
    ),
    "glora": (frozenset({"a1", "a2", "b1", "b2"}),),
    "oft": (frozenset({"blocks"}),),
    "difference": (frozenset({"diff"}),),
    "bias_difference": (frozenset({"diff"}),),
    "replacement": (frozenset({"value"}),),
}
"""What can be applied → the roles it must have, one set of them."""

_PREFIXES: tuple[tuple[Part, str], ...] = (
    ("text_3", r"lora_te3_|text_encoder_3\.|text_encoders\.t5xxl\.(?:transformer\.)?"),
    ("text_2", r"lora_te2_|text_encoder_2\.|text_encoders\.clip_g\.(?:transformer\.)?"),
    ("text_1", r"lora_te1?_|text_encoder\.|text_encoders\.clip_[lh]\.(?:transformer\.)?"),
    (
        "unet",
        r"lora_(?:unet|transformer)_|lycoris_|(?:unet\.)?base_model\.model\.|unet\.|transformer\.|"
        r"(?:model\.)?diffusion_model\.|",
    ),
)
"""Part → what stems that belong to it start with; a stem without any prefix belongs to the denoiser."""

_TRANSFORMERS = (
    (Family.FLUX, r"(?:double|single)_blocks[._]|single_transformer_blocks[._]"),
    (Family.SD3, r"joint_blocks[._]"),
)
_TOKEN_WIDTHS = {3072: Family.FLUX, 1536: Family.SD3, 2432: Family.SD3}
"""Of published transformers whose blocks are called alike."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """The change of one module.

    Args:
        part: Of which network.
        module: The module's name with underscores for dots, in diffusers' or the original naming.
        kind: A key of ``ADAPTER_KINDS``.
        tensors: Role → name in the file.
    """

    part: Part
    module: str
    kind: str
    tensors: Mapping[str, str]


def adapters_of(header: Header, name: str) -> list[Adapter]:
    """List what a LoRA file changes; tensors that say nothing by themselves are left out.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a checkpoint, a VAE …; ``model_corrupt`` if
            an adapter lacks a tensor.
        UnsupportedModel: If its adapters are of a kind that cannot be applied; the message names it.
    """
    stems: dict[str, dict[tuple[str, str], str]] = {}
    for key in header.tensors:
        if match := _split(key):
            stem, kind, role = match
            stems.setdefault(stem, {})[kind, role] = key
    found = [each for stem, members in stems.items() for each in _adapters(stem, members, header, name)]
    if all(each.kind == "replacement" for each in found):  # networks of every kind hold such tensors
        refuse_other_kinds(header, name, "lora")
        raise ModelError(
            f'"{name}" holds no LoRA that is known here', code="wrong_model_kind", hint="Choose another file."
        )
    return found


def lora_family(header: Header, adapters: Iterable[Adapter]) -> Family | None:
    """Return the family a LoRA was made for; ``None`` where names and shapes do not tell."""
    names = list(header.tensors)
    for family, pattern in _TRANSFORMERS:
        if any(re.search(pattern, name) for name in names):
            return family
    listed = list(adapters)
    shapes = header.shapes
    is_joint = [each for each in listed if re.match(r"transformer_blocks_\d+_attn_", each.module)]
    if is_joint:
        return _TOKEN_WIDTHS.get(_width(is_joint[0], shapes))
    widths = {width for each in listed if (width := _context_width(each, shapes))}
    if len(widths) == 1 and (known := CONTEXT_WIDTHS.get(widths.pop())):
        return known
    unet = [each.module for each in listed if each.part == "unet"]
    is_deep = any("_transformer_blocks_1_" in module for module in unet)  # only SDXL stacks several
    if is_deep or any(each.part == "text_2" for each in listed):
        return Family.SDXL
    return None


def _split(key: str) -> tuple[str, str, str] | None:
    """Part a tensor's name into stem, kind and role."""
    for kind, role, ending in _ENDINGS:
        if match := re.search(ending + "$", key):
            return key[: match.start()], kind, match.expand(role)
    return None


def _adapters(
    stem: str, members: Mapping[tuple[str, str], str], header: Header, name: str
) -> Iterable[Adapter]:
    shared = {role: key for (kind, role), key in members.items() if not kind}
    part, module = _place(stem)
    for kind in dict.fromkeys(kind for kind, _ in members if kind):
        tensors = {role: key for (mine, role), key in members.items() if mine == kind}
        _require_supported(kind, tensors, header, name)
        if not any(roles <= tensors.keys() for roles in ADAPTER_KINDS[kind]):
            raise ModelError(
                f'"{name}" lacks a part of "{stem}": it has only {", ".join(sorted(tensors.values()))}',
                code="model_corrupt",
                hint="Download it again.",
            )
        with_shared = kind not in ("difference", "bias_difference", "replacement")
        yield Adapter(part, module, kind, {**tensors, **(shared if with_shared else {})})


def _require_supported(kind: str, tensors: Mapping[str, str], header: Header, name: str) -> None:
    label = {"ia3": "(IA)³"}.get(kind)
    if kind == "oft" and "blocks" in tensors and len(header.shapes[tensors["blocks"]]) != 3:
        label = "BOFT"
    if label:
        raise UnsupportedModel(
            f'"{name}" is a {label} adapter, which cannot be applied',
            hint="LoRA, LoCon, DoRA, LoHa, LoKr, GLoRA, OFT and full differences can.",
        )


def _place(stem: str) -> tuple[Part, str]:
    """Tell a stem's network and its module there, whatever the trainer's spelling."""
    for part, prefix in _PREFIXES:
        if match := re.match(prefix, stem):
            module = stem[match.end() :].replace(".processor.", ".").replace(".", "_")
            if part == "unet":
                return part, re.sub(r"to_out$", "to_out_0", module)
            return part, module.removeprefix("text_model_")
    raise AssertionError("the last prefix may be empty")


def _context_width(adapter: Adapter, shapes: Mapping[str, Shape]) -> int:
    """The width of the prompt embeddings, where an adapter of cross-attention shows it; else 0."""
    if adapter.part != "unet" or not re.search(r"attn2_to_[kv]$", adapter.module):
        return 0
    return _width(adapter, shapes)


def _width(adapter: Adapter, shapes: Mapping[str, Shape]) -> int:
    """What a linear layer reads; 0 where its adapter does not show it."""
    role = {"lora": "down", "loha": "w1_b", "difference": "diff"}.get(adapter.kind)
    shape = shapes[adapter.tensors[role]] if role else ()
    return shape[1] if len(shape) > 1 else 0
