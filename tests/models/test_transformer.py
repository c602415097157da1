"""Transformers by the names and shapes of their tensors, in both styles."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Family, FluxLayout, Header, TensorEntry, checkpoint, denoiser, family_of, kind_of

Shapes = Mapping[str, tuple[int, ...]]

FLUX: Shapes = {
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 4096),
    "vector_in.in_layer.weight": (3072, 768),
    "guidance_in.in_layer.weight": (3072, 256),
    "double_blocks.0.img_attn.norm.query_norm.scale": (128,),
    "double_blocks.1.img_attn.norm.query_norm.scale": (128,),
    "single_blocks.0.linear1.weight": (21504, 3072),
    "final_layer.linear.weight": (64, 3072),
}
SD3: Shapes = {
    "pos_embed": (1, 36864, 1536),
    "x_embedder.proj.weight": (1536, 16, 2, 2),
    "context_embedder.weight": (1536, 4096),
    "y_embedder.mlp.0.weight": (1536, 2048),
    "joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536),
    "final_layer.linear.weight": (64, 1536),
}
PIXART: Shapes = {
    "x_embedder.proj.weight": (1152, 4, 2, 2),
    "y_embedder.y_proj.fc1.weight": (1152, 4096),
    "t_block.1.weight": (6912, 1152),
    "blocks.0.attn.qkv.weight": (3456, 1152),
    "final_layer.linear.weight": (32, 1152),
}


def header_of(shapes: Shapes) -> Header:
    return Header({name: TensorEntry("F16", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_a_flux_is_described() -> None:
    found = denoiser(header_of(FLUX), "x")
    assert found.layout == FluxLayout(64, 64, 3072, 128, 2, 1, 4096, 768, is_guided=True)
    assert (found.family, found.prefix) == (Family.FLUX, "")
    inside = checkpoint(
        header_of({f"model.diffusion_model.{name}": each for name, each in FLUX.items()}), "x"
    )
    assert inside.unet == replace(found, prefix="model.diffusion_model.")
    assert (inside.vae, inside.texts) == (None, ())


@pytest.mark.parametrize(
    ("more", "family"),
    [
        ({"ar_embedder.mlp.0.weight": (384, 256)}, Family.PIXART_ALPHA),
        ({"y_embedder.y_embedding": (120, 4096)}, Family.PIXART_ALPHA),
        ({"y_embedder.y_embedding": (300, 4096)}, Family.PIXART_SIGMA),
        ({}, Family.PIXART_SIGMA),
    ],
)
def test_pixart_alpha_is_told_from_sigma(more: Shapes, family: Family) -> None:
    header = header_of({**PIXART, **more})
    assert kind_of(header) == "unet"
    assert family_of(header) is denoiser(header, "x").family is family


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({**FLUX, "distilled_guidance_layer.in_proj.weight": (5120, 64)}, "is Chroma"),
        ({**FLUX, "double_stream_modulation_img.lin.weight": (4, 4)}, "is Flux 2"),
        ({**FLUX, "txt_in.individual_token_refiner.blocks.0.norm1.bias": (4,)}, "is HunyuanVideo"),
        ({**FLUX, "img_in.weight": (3072, 96)}, "is Flux of an unknown shape"),
        ({**FLUX, "double_blocks.0.img_attn.norm.query_norm.scale": (100,)}, "is Flux of an unknown shape"),
        ({**FLUX, "img_in.weight.absmax": (4,)}, "in a packed form"),
        ({**SD3, "x_embedder.proj.weight": (1536, 33, 2, 2)}, "is Stable Diffusion 3 of an unknown shape"),
        ({**SD3, "context_processor.layers.0.attn.qkv.weight": (4, 4)}, "of an unknown shape"),
        ({**PIXART, "blocks.14.attn.sr.weight": (1152, 1, 2, 2)}, "is PixArt-Σ of an unknown shape"),
    ],
)
def test_relatives_and_special_forms_are_refused_by_name(shapes: Shapes, message: str) -> None:
    with pytest.raises(UnsupportedModel, match=message) as caught:
        denoiser(header_of(shapes), "x")
    assert caught.value.hint


@pytest.mark.parametrize("shapes", [FLUX, SD3, PIXART], ids=["flux", "sd3", "pixart"])
def test_a_damaged_tensor_is_an_error_of_the_file(shapes: Shapes) -> None:
    denoiser(header_of(shapes), "x")
    for damaged in shapes:
        others = {name: shape for name, shape in shapes.items() if name != damaged}
        for broken in (others, {**others, damaged: ()}, {**others, damaged: (0, 0, 0, 0, 0)}):
            with contextlib.suppress(ModelError):
                denoiser(header_of(broken), "x")
