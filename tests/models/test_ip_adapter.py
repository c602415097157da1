"""Telling IP-Adapters by their tensors, and finding those of a preset."""

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from bridge.errors import ModelError, ModelNotFound, UnsupportedModel
from bridge.models import Catalogue, Family, Header, TensorEntry, find_preset, ip_adapter
from bridge.models.header import Shape

PLAIN = {"proj.weight": (4 * 768, 1024), "norm.weight": (768,)}
PLUS = {
    "latents": (1, 16, 768),
    "proj_in.weight": (768, 1280),
    **{f"layers.{each}.0.to_q.weight": (768, 768) for each in range(4)},
    "layers.0.1.1.weight": (3072, 768),
}
FULL = {"proj.0.weight": (1280, 1280), "proj.2.weight": (768, 1280), "proj.3.weight": (768,)}
LAYERS = {f"{each}.to_{part}_ip.weight": (320, 768) for each in (1, 3, 5) for part in "kv"}


def header(projection: dict[str, Shape], layers: dict[str, Shape] | None = None) -> Header:
    shapes = {f"image_proj.{name}": shape for name, shape in projection.items()}
    shapes |= {f"ip_adapter.{name}": shape for name, shape in (layers or LAYERS).items()}
    return Header({name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}, {})


def test_the_three_kinds() -> None:
    plain, plus, full = (ip_adapter(header(each), "a") for each in (PLAIN, PLUS, FULL))
    assert (plain.kind, plain.tokens, plain.input_width) == ("plain", 4, 1024)
    assert (plus.kind, plus.tokens, plus.input_width, plus.depth, plus.heads) == ("plus", 16, 1280, 4, 12)
    assert (full.kind, full.tokens, full.input_width) == ("full", 0, 1280)
    assert plain.layer_widths == (320, 320, 320)


@pytest.mark.parametrize(("context", "family"), [(768, Family.SD1), (1024, Family.SD2), (2048, Family.SDXL)])
def test_the_width_of_tokens_tells_the_family(context: int, family: Family) -> None:
    layers = dict.fromkeys(LAYERS, (320, context))
    projection = {"proj.weight": (4 * context, 1024), "norm.weight": (context,)}
    assert ip_adapter(header(projection, layers), "a").family is family


def test_xlabs_is_told_by_its_names() -> None:
    shapes: dict[str, Shape] = {"ip_adapter_proj_model.proj.weight": (16 * 4096, 768)}
    shapes |= {
        f"double_blocks.{each}.processor.ip_adapter_double_stream_{part}_proj.weight": (3072, 4096)
        for each in range(19)
        for part in "kv"
    }
    found = ip_adapter(
        Header({name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}, {}), "a"
    )
    assert (found.flux, found.family, found.kind) == ("xlabs", Family.FLUX, "plain")
    assert (found.tokens, found.input_width, found.layer_widths) == (16, 768, (3072,) * 19)


INSTANTX = {"proj.0.weight": (2304, 1152), "proj.2.weight": (128 * 4096, 2304), "norm.weight": (4096,)}
ALL_LAYERS = {f"{each}.to_{part}_ip.weight": (3072, 4096) for each in range(57) for part in "kv"}


def test_instantx_is_told_by_layers_that_are_numbered_without_gaps() -> None:
    found = ip_adapter(header(INSTANTX, ALL_LAYERS), "a")
    assert (found.flux, found.family, found.kind) == ("instantx", Family.FLUX, "deep")
    assert (found.tokens, found.input_width, found.inner_width) == (128, 1152, 2304)
    assert found.layer_widths == (3072,) * 57


def test_that_of_sd3_is_refused_by_name() -> None:
    shapes = PLUS | {"time_embedding.linear_1.weight": (1280, 320)}
    with pytest.raises(UnsupportedModel, match=r"IP-Adapter for Stable Diffusion 3\.5, which"):
        ip_adapter(header(shapes, ALL_LAYERS), "a")


@pytest.mark.parametrize(
    ("projection", "more"),
    [
        ({"proj.0.weight": (1024, 512), "proj.2.weight": (3072, 1024), "norm.weight": (768,)}, {}),
        ({"perceiver_resampler.proj_in.weight": (768, 1280)}, {}),
        (PLAIN, {"0.to_q_lora.down.weight": (128, 320)}),
    ],
)
def test_face_id_is_refused_by_name(projection: dict[str, Shape], more: dict[str, Shape]) -> None:
    with pytest.raises(UnsupportedModel, match="FaceID IP-Adapter, which needs InsightFace"):
        ip_adapter(header(projection, LAYERS | more), "a")


def test_missing_layers_and_other_projections_are_refused() -> None:
    gap = {name: shape for name, shape in LAYERS.items() if not name.startswith("3.")}
    for each in (header(PLAIN, gap), header({"weight": (1,)})):
        with pytest.raises(UnsupportedModel, match="unknown shape"):
            ip_adapter(each, "a")


@pytest.mark.parametrize("projection", [PLAIN, PLUS, FULL])
def test_damaged_files_are_refused(projection: dict[str, Shape]) -> None:
    whole = header(projection)
    for damaged, entry in whole.tensors.items():
        others = {name: each for name, each in whole.tensors.items() if name != damaged}
        for tensors in (others, {**others, damaged: replace(entry, shape=(4,))}):
            with contextlib.suppress(ModelError):
                ip_adapter(Header(tensors, {}), "a")
    flat = dict.fromkeys(LAYERS, (768,))
    with pytest.raises(ModelError, match="impossible shape"):
        ip_adapter(header(projection, flat), "a")


def test_a_lora_is_not_an_ip_adapter() -> None:
    lora = Header({"lora_unet_a.lora_up.weight": TensorEntry("F32", (1, 1), 0, 0)}, {})
    with pytest.raises(ModelError, match='"a" is not an IP-Adapter; it looks like a LoRA'):
        ip_adapter(lora, "a")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    for folder, name in (
        ("ipadapter", "sd15/ip-adapter_sd15"),
        ("ipadapter", "ip-adapter-plus_sd15"),
        ("ipadapter", "ip-adapter_sdxl_vit-h"),
        ("ipadapter", "ip-adapter_sd15_light"),
    ):
        file = tmp_path / folder / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    vision = {
        "vision_model.embeddings.class_embedding": (1280,),
        "vision_model.embeddings.patch_embedding.weight": (1280, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, 1280),
        "vision_model.encoder.layers.0.mlp.fc1.weight": (4, 1280),
        "visual_projection.weight": (1024, 1280),
    }
    (tmp_path / "clip_vision").mkdir()
    tensors = {name: np.zeros(shape, np.int8) for name, shape in vision.items()}
    save_file(tensors, tmp_path / "clip_vision" / "h.safetensors")
    return Catalogue((tmp_path,))


@pytest.mark.parametrize(
    ("preset", "family", "file"),
    [
        ("STANDARD (medium strength)", Family.SD1, "sd15/ip-adapter_sd15.safetensors"),
        ("STANDARD (medium strength)", Family.SDXL, "ip-adapter_sdxl_vit-h.safetensors"),
        ("PLUS (high strength)", Family.SD1, "ip-adapter-plus_sd15.safetensors"),
        ("LIGHT - SD1.5 only (low strength)", Family.SD1, "ip-adapter_sd15_light.safetensors"),
    ],
)
def test_a_preset_finds_its_files(catalogue: Catalogue, preset: str, family: Family, file: str) -> None:
    assert find_preset(catalogue, preset, family) == (file, "h.safetensors")


def test_a_preset_says_all_that_is_missing(catalogue: Catalogue) -> None:
    with pytest.raises(ModelNotFound, match=r"ip-adapter_sdxl\.safetensors.* and .*ViT-bigG/14.* for SDXL"):
        find_preset(catalogue, "VIT-G (medium strength)", Family.SDXL)


def test_flux_has_no_presets_but_adapters(catalogue: Catalogue) -> None:
    with pytest.raises(ModelError, match="the model is Flux") as caught:
        find_preset(catalogue, "STANDARD (medium strength)", Family.FLUX)
    assert "IPAdapterModelLoader" in str(caught.value.hint)


def test_a_preset_of_another_family_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(ModelError, match=r"is for Stable Diffusion 1\.x, the model is SDXL"):
        find_preset(catalogue, "FULL FACE - SD1.5 only (portraits stronger)", Family.SDXL)
