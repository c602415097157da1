"""ControlNets of SD3 and Flux, told by the tensors that say something."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.errors import UnsupportedModel
from bridge.models import (
    Family,
    FluxLayout,
    Header,
    SD3Layout,
    TensorEntry,
    TransformerControlPart,
    controlnet,
)

FLUX = {
    "x_embedder.weight": (3072, 64),
    "controlnet_x_embedder.weight": (3072, 64),
    "context_embedder.weight": (3072, 4096),
    "time_text_embed.text_embedder.linear_1.weight": (3072, 768),
    "time_text_embed.guidance_embedder.linear_1.weight": (3072, 256),
    "transformer_blocks.0.attn.norm_q.weight": (128,),
    **{f"transformer_blocks.{index}.attn.to_q.weight": (3072, 3072) for index in range(5)},
    **{f"single_transformer_blocks.{index}.attn.to_q.weight": (3072, 3072) for index in range(10)},
    "controlnet_blocks.0.weight": (3072, 3072),
}
"""As InstantX's."""

XLABS = {
    "img_in.weight": (3072, 64),
    "pos_embed_input.weight": (3072, 64),
    "txt_in.weight": (3072, 4096),
    "vector_in.in_layer.weight": (3072, 768),
    "guidance_in.in_layer.weight": (3072, 256),
    "double_blocks.0.img_attn.norm.query_norm.scale": (128,),
    "double_blocks.1.img_attn.norm.query_norm.scale": (128,),
    "controlnet_blocks.0.weight": (3072, 3072),
    "input_hint_block.0.weight": (16, 3, 3, 3),
}
SD3 = {
    "pos_embed.proj.weight": (1536, 16, 2, 2),
    "pos_embed.pos_embed": (1, 192 * 192, 1536),
    "pos_embed_input.proj.weight": (1536, 16, 2, 2),
    "context_embedder.weight": (1536, 4096),
    "time_text_embed.text_embedder.linear_1.weight": (1536, 2048),
    **{f"transformer_blocks.{index}.attn.to_q.weight": (1536, 1536) for index in range(6)},
    "controlnet_blocks.0.weight": (1536, 1536),
}

STABILITY = {
    "pos_embed_input.proj.weight": (2432, 16, 2, 2),
    "time_text_embed.text_embedder.linear_1.weight": (2432, 2048),
    "control_type": (1,),
    **{f"transformer_blocks.{index}.adaLN_modulation.1.weight": (14592, 2432) for index in range(19)},
    **{f"controlnet_blocks.{index}.weight": (2432, 2432) for index in range(19)},
}


def part_of(shapes: dict[str, tuple[int, ...]]) -> Any:
    return controlnet(
        Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {}), "c"
    )


def test_instantx_for_flux_and_its_union_are_told() -> None:
    layout = FluxLayout(64, 64, 3072, 128, 5, 10, 4096, 768, is_guided=True)
    assert part_of(FLUX) == TransformerControlPart(Family.FLUX, layout)
    union = part_of({**FLUX, "controlnet_mode_embedder.weight": (10, 3072)})
    assert union == TransformerControlPart(Family.FLUX, layout, control_types=10)


def test_instantx_for_sd3_are_told() -> None:
    layout = SD3Layout(2, 16, 16, 1536, 6, 4096, 2048, 192)
    assert part_of(SD3) == TransformerControlPart(Family.SD3, layout)


def test_a_mask_is_one_more_channel() -> None:
    assert part_of({**SD3, "pos_embed_input.proj.weight": (1536, 17, 2, 2)}).sees_mask
    assert part_of({**FLUX, "controlnet_x_embedder.weight": (3072, 68)}).sees_mask


def test_xlabs_and_mistoline_are_told() -> None:
    layout = FluxLayout(64, 64, 3072, 128, 2, 0, 4096, 768, is_guided=True)
    assert part_of(XLABS) == TransformerControlPart(Family.FLUX, layout, "XLabs", is_original=True)
    mistoline = {name: shape for name, shape in XLABS.items() if not name.startswith("input_hint")}
    mistoline |= {
        "input_cond_block.encoder.0.weight": (16, 3, 3, 3),
        "controlnet_blocks.0.linear.weight": (3072, 3072),
        **{f"single_blocks.{index}.linear2.weight": (3072, 15360) for index in range(2)},
    }
    layout = replace(layout, single_depth=2)
    assert part_of(mistoline) == TransformerControlPart(Family.FLUX, layout, "MistoLine", is_original=True)


def test_stabilitys_are_told() -> None:
    layout = SD3Layout(2, 16, 16, 2432, 19, 0, 2048, 0)
    expected = TransformerControlPart(Family.SD3, layout, "Stability", is_original=True)
    assert part_of(STABILITY) == expected


@pytest.mark.parametrize(
    "shapes",
    [
        {**SD3, "pos_embed_input.proj.weight": (1536, 32, 2, 2)},
        {**FLUX, "controlnet_x_embedder.weight": (3072, 128)},
        {name: shape for name, shape in FLUX.items() if not name.startswith("x_embedder.")},
        {name: shape for name, shape in STABILITY.items() if name != "control_type"},
        {**STABILITY, "time_text_embed.text_embedder.linear_1.weight": (2432, 2432)},
    ],
    ids=["SD3 with more", "Flux with more", "without an entry", "of no type", "Stability's medium size"],
)
def test_others_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UnsupportedModel, match="ControlNet of an unknown shape") as caught:
        part_of(shapes)
    assert "InstantX" in caught.value.hint


def test_stabilitys_in_diffusers_layout_do_not_say_what_they_want() -> None:
    shapes = {name: shape for name, shape in SD3.items() if not name.startswith("pos_embed.")}
    with pytest.raises(UnsupportedModel, match="does not say whether it wants") as caught:
        part_of(shapes)
    assert "sd3.5_large_controlnet_blur" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("controlnet.0.after_proj.weight", "PixArt"),
        ("controlnet_blocks.0.after_proj.weight", "PixArt"),
        ("after_proj_list.0.weight", "HunyuanDiT"),
        ("transformer_blocks.0.img_mlp.net.0.proj.weight", "Qwen-Image"),
    ],
)
def test_those_of_other_transformers_are_refused_by_name(name: str, family: str) -> None:
    with pytest.raises(UnsupportedModel, match=f"is a ControlNet for {family}") as caught:
        part_of({name: (1152, 1152), "controlnet_blocks.0.weight": (8, 8)})
    assert caught.value.hint
