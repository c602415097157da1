"""Telling the image towers of CLIP and SigLIP by their tensors."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bridge.errors import ModelError, UnsupportedModel
from bridge.models import SIGLIP, VIT_BIGG, VIT_H, VIT_L, Catalogue, Header, TensorEntry, clip_vision
from bridge.models.header import Shape
from bridge.models.vision import find_clip_vision


def transformers_shapes(
    width: int, layers: int = 2, positions: int = 257, patch: int = 14
) -> dict[str, Shape]:
    return {
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, patch, patch),
        "vision_model.embeddings.position_embedding.weight": (positions, width),
        **{
            f"vision_model.encoder.layers.{each}.mlp.fc1.weight": (4 * width, width) for each in range(layers)
        },
        "visual_projection.weight": (768, width),
    }


def open_clip_shapes(width: int, layers: int = 2) -> dict[str, Shape]:
    return {
        "visual.class_embedding": (width,),
        "visual.conv1.weight": (width, 3, 14, 14),
        "visual.positional_embedding": (257, width),
        **{f"visual.transformer.resblocks.{each}.mlp.c_fc.weight": (5120, width) for each in range(layers)},
        "visual.proj": (width, 1024),
        "transformer.resblocks.0.mlp.c_fc.weight": (4096, 1024),
    }


def siglip_shapes(width: int, positions: int = 729, *, prefix: str = "vision_model.") -> dict[str, Shape]:
    shapes: dict[str, Shape] = {
        "embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "embeddings.patch_embedding.bias": (width,),
        "embeddings.position_embedding.weight": (positions, width),
        "encoder.layers.0.mlp.fc1.weight": (4304, width),
        "post_layernorm.weight": (width,),
        "head.probe": (1, 1, width),
    }
    return {prefix + name: shape for name, shape in shapes.items()}


@pytest.mark.parametrize("write", [transformers_shapes, open_clip_shapes, siglip_shapes])
def test_damaged_files_are_refused(write: Callable[[int], dict[str, Shape]]) -> None:
    whole = write(1024)
    for damaged in whole:
        others = {name: shape for name, shape in whole.items() if name != damaged}
        for shapes in (others, {**others, damaged: ()}):
            with contextlib.suppress(ModelError):
                clip_vision(header(shapes), "a")


def header(shapes: dict[str, Shape]) -> Header:
    return Header({name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}, {})


@pytest.mark.parametrize(("width", "kind"), [(1024, VIT_L), (1280, VIT_H), (1664, VIT_BIGG)])
def test_width_tells_the_kind_at_any_depth(width: int, kind: str) -> None:
    for layers in (2, 5):
        layout = clip_vision(header(transformers_shapes(width, layers)), "a")
        assert (layout.kind, layout.layers, layout.image_size, layout.projection) == (kind, layers, 224, 768)


def test_open_clips_names_are_understood_beside_a_text_tower() -> None:
    layout = clip_vision(header(open_clip_shapes(1280)), "a")
    assert layout.is_open_clip
    assert (layout.kind, layout.inner_width, layout.projection) == (VIT_H, 5120, 1024)


def test_larger_pictures_show_in_the_positions() -> None:
    assert clip_vision(header(transformers_shapes(1024, positions=577)), "a").image_size == 336


@pytest.mark.parametrize("prefix", ["vision_model.", ""])
def test_siglip_is_told_by_the_bias_of_its_patches(prefix: str) -> None:
    layout = clip_vision(header(siglip_shapes(1152, prefix=prefix)), "a")
    assert (layout.kind, layout.is_siglip, layout.has_head, layout.inner_width) == (SIGLIP, True, True, 4304)
    assert layout.projection == 0


@pytest.mark.parametrize(("positions", "size"), [(729, 384), (256, 224), (4, 28)])
def test_siglips_pictures_may_be_larger_than_its_patches(positions: int, size: int) -> None:
    assert clip_vision(header(siglip_shapes(1152, positions)), "a").image_size == size


def test_other_image_encoders_are_refused() -> None:
    with pytest.raises(UnsupportedModel, match="image encoder of an unknown shape"):
        clip_vision(header(transformers_shapes(768, patch=32)), "a")


def test_a_checkpoint_is_not_a_clip_vision_model() -> None:
    with pytest.raises(ModelError, match='"a" is not a CLIP vision model; it looks like a checkpoint'):
        clip_vision(header({"model.diffusion_model.out.0.weight": (4,)}), "a")


def test_a_tower_without_projection_is_incomplete() -> None:
    shapes = transformers_shapes(1280)
    del shapes["visual_projection.weight"]
    with pytest.raises(ModelError, match="without its projection") as caught:
        clip_vision(header(shapes), "a")
    assert caught.value.code == "model_incomplete"


def test_a_kind_is_found_whatever_the_file_is_called(tmp_path: Path) -> None:
    folder = tmp_path / "clip_vision"
    folder.mkdir()
    (folder / "a-broken.safetensors").write_bytes(b"<html>")
    for name, width in (("b-large", VIT_L), ("c-huge", VIT_H), ("CLIP-ViT-H-14", VIT_H)):
        write(folder / f"{name}.safetensors", transformers_shapes(1024 if width == VIT_L else 1280, layers=1))
    catalogue = Catalogue((tmp_path,))
    assert find_clip_vision(catalogue, VIT_H, "CLIP-ViT-H-14") == "CLIP-ViT-H-14.safetensors"
    assert find_clip_vision(catalogue, VIT_H, "elsewhere") == "c-huge.safetensors"
    assert find_clip_vision(catalogue, VIT_L, "elsewhere") == "b-large.safetensors"
    assert find_clip_vision(catalogue, VIT_BIGG, "elsewhere") is None


def test_a_kind_is_found_in_folders_of_any_form(tmp_path: Path) -> None:
    half, split = tmp_path / "clip_vision" / "half", tmp_path / "clip_vision" / "split"
    for folder in (half, split):
        folder.mkdir(parents=True)
        (folder / "config.json").touch()
    write(half / "model.fp16.safetensors", transformers_shapes(1280, layers=1))
    shapes = transformers_shapes(1664, layers=1)
    first = {name: shape for name, shape in shapes.items() if "embeddings" in name}
    parts = {"1.safetensors": first, "2.safetensors": {name: shapes[name] for name in shapes.keys() - first}}
    for name, part in parts.items():
        write(split / name, part)
    places = {key: name for name, part in parts.items() for key in part}
    (split / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    catalogue = Catalogue((tmp_path,))
    assert find_clip_vision(catalogue, VIT_H, "x") == "half"
    assert find_clip_vision(catalogue, VIT_BIGG, "x") == "split"


def write(file: Path, shapes: dict[str, Shape]) -> None:
    save_file({key: np.zeros(shape, np.int8) for key, shape in shapes.items()}, file)
