"""ControlNets of SD3 and Flux, told by the tensors that say something."""

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


def part_of(shapes: dict[str, tuple[int, ...]]) -> Any:
    return controlnet(
        Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {}), "c"
    )


def test_instantx_for_flux_and_its_union_are_told() -> None:
    layout = FluxLayout(64, 64, 3072, 128, 5, 10, 4096, 768, is_guided=True)
    assert part_of(FLUX) == TransformerControlPart(Family.FLUX, layout, 0, False, False)
    union = part_of({**FLUX, "controlnet_mode_embedder.weight": (10, 3072)})
    assert union == TransformerControlPart(Family.FLUX, layout, 10, False, False)


def test_xlabs_are_told() -> None:
    layout = FluxLayout(64, 64, 3072, 128, 2, 0, 4096, 768, is_guided=True)
    assert part_of(XLABS) == TransformerControlPart(Family.FLUX, layout, 0, True, True)


def test_instantx_for_sd3_are_told() -> None:
    layout = SD3Layout(2, 16, 16, 1536, 6, 4096, 2048, 192)
    assert part_of(SD3) == TransformerControlPart(Family.SD3, layout, 0, False, False)


@pytest.mark.parametrize(
    "shapes",
    [
        {**SD3, "pos_embed_input.proj.weight": (1536, 17, 2, 2)},
        {**FLUX, "controlnet_x_embedder.weight": (3072, 68)},
        {name: shape for name, shape in SD3.items() if not name.startswith("pos_embed.")},
    ],
    ids=["SD3 with a mask", "Flux with a mask", "Stability's for SD 3.5"],
)
def test_others_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(UnsupportedModel, match="ControlNet of an unknown shape") as caught:
        part_of(shapes)
    assert "InstantX" in caught.value.hint
