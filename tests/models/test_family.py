"""What a file is, by its contents."""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bridge.builtin import model_folder
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import (
    AutoencoderLayout,
    Family,
    TextLayout,
    TextPart,
    UNetLayout,
    UNetPart,
    autoencoder,
    checkpoint,
    controlnet,
    denoiser,
    family_of,
    kind_of,
    read_header,
    text_tower,
)
from bridge.models.header import Header, TensorEntry

PARITY = Path(__file__).parent.parent / "parity"
Shapes = Mapping[str, tuple[int, ...]]


def header_of(shapes: Shapes) -> Header:
    return Header({name: TensorEntry("F16", tuple(shape), 0, 0) for name, shape in shapes.items()}, {})


@pytest.fixture(scope="module")
def sd15() -> Shapes:
    return {
        name: tuple(shape) for name, shape in json.loads((PARITY / "sd15_shapes.json").read_text()).items()
    }


@pytest.fixture(scope="module")
def control() -> Shapes:
    shapes = json.loads((PARITY / "control_shapes.json").read_text())
    return {name: tuple(shape) for name, shape in shapes.items()}


def replaced(shapes: Shapes, old: str, new: str) -> Shapes:
    return {name.replace(old, new): shape for name, shape in shapes.items()}


UNET = "model.diffusion_model."
KINDS: dict[str, Shapes] = {
    "lora": {"lora_unet_down_blocks_0_attn.lora_up.weight": (4, 4)},
    "ip_adapter": {"image_proj.proj.weight": (4, 4), "ip_adapter.1.to_k_ip.weight": (4, 4)},
    "clip_vision": {"vision_model.embeddings.class_embedding": (4,)},
    "text_encoder": {"text_model.encoder.layers.0.layer_norm1.weight": (4,)},
    "upscaler": {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)},
    "embedding": {"emb_params": (2, 768)},
    "unet": {"double_blocks.0.img_attn.qkv.weight": (4, 4)},
    "vae": {"decoder.up.0.block.0.conv1.weight": (4, 4, 3, 3)},
    "unknown": {"something": (1,)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind: str) -> None:
    assert kind_of(header_of(KINDS[kind])) == kind


def test_a_text_tower_in_open_clips_names_is_a_text_encoder() -> None:
    assert kind_of(header_of({"transformer.resblocks.0.ln_1.weight": (4,)})) == "text_encoder"


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_is_no_checkpoint(kind: str) -> None:
    with pytest.raises(ModelError) as caught:
        checkpoint(header_of(KINDS[kind]), "x.safetensors")
    assert caught.value.code == "wrong_model_kind"
    assert "not a checkpoint" in caught.value.message
    assert caught.value.hint


def test_the_parts_of_the_demo_model() -> None:
    for folder, kind in (("unet", "unet"), ("vae", "vae"), ("controlnet_depth", "controlnet")):
        header = read_header(model_folder() / folder / "diffusion_pytorch_model.safetensors")
        assert kind_of(header) == kind
        if kind != "vae":
            assert family_of(header) is Family.SD1


def test_a_checkpoint_of_reduced_depth_is_described(sd15: Shapes) -> None:
    found = checkpoint(header_of(sd15), "x")
    layout = UNetLayout(
        in_channels=4,
        channels=(320, 640),
        depths=(0, 1),
        middle_depth=1,
        decoder_depths=(0, 1),
        blocks=1,
        context_width=768,
    )
    assert found.unet == UNetPart(Family.SD1, layout, UNET)
    assert found.vae
    assert found.vae == (AutoencoderLayout((128, 256, 512, 512), 2, 4), "first_stage_model.")
    prefix = "cond_stage_model.transformer.text_model."
    assert found.texts == (TextPart("clip_l", TextLayout(49408, 77, 768, 3072, 12, 768), prefix),)


def test_older_names_of_the_text_encoder(sd15: Shapes) -> None:
    found = checkpoint(header_of(replaced(sd15, "transformer.text_model.", "transformer.")), "x")
    assert found.texts[0].prefix == "cond_stage_model.transformer."
    assert found.texts[0].layout == TextLayout(49408, 77, 768, 3072, 12, 768)


def test_parts_that_are_not_there_are_none(sd15: Shapes) -> None:
    found = checkpoint(header_of({name: s for name, s in sd15.items() if name.startswith(UNET)}), "x")
    assert found.vae is None
    assert found.texts == ()


def widened(shapes: Shapes, width: int) -> Shapes:
    return {
        name: (*shape[:1], width) if name.endswith(("attn2.to_k.weight", "attn2.to_v.weight")) else shape
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize(
    ("change", "family"),
    [
        (lambda s: {f"{UNET}blocks.0.self_attn.q.weight": (4, 4)}, "unknown family"),
        (lambda s: replaced(s, "transformer_blocks.0", "transformer_blocks.1"), "unknown family"),
    ],
)
def test_other_families_are_named(sd15: Shapes, change: Callable[[Shapes], Shapes], family: str) -> None:
    with pytest.raises(UnsupportedModel, match=family):
        checkpoint(header_of(change(sd15)), "x")


@pytest.mark.parametrize(
    ("change", "family"),
    [
        (lambda s: s, Family.SD1),
        (lambda s: {**widened(s, 2048), f"{UNET}label_emb.0.0.weight": (4, 4)}, Family.SDXL),
        (lambda s: {**widened(s, 1280), f"{UNET}label_emb.0.0.weight": (4, 4)}, Family.SDXL_REFINER),
        (
            lambda s: {n: shape[:2] if n.endswith("proj_in.weight") else shape for n, shape in s.items()},
            Family.SD2,
        ),
        (lambda s: replaced(s, "cond_stage_model.transformer", "cond_stage_model.model"), Family.SD2),
    ],
)
def test_families_are_told_by_names_and_shapes(
    sd15: Shapes, change: Callable[[Shapes], Shapes], family: Family
) -> None:
    assert checkpoint(header_of(change(sd15)), "x").unet.family is family


def test_unclip_is_known(sd15: Shapes) -> None:
    linear = {n: shape[:2] if n.endswith("proj_in.weight") else shape for n, shape in sd15.items()}
    shapes = {**widened(linear, 1024), f"{UNET}label_emb.0.0.weight": (1280, 2048)}
    unet = checkpoint(header_of(shapes), "x").unet
    assert (unet.family, unet.layout.vector_width) == (Family.SD2, 2048)


@pytest.mark.parametrize(("mark", "word"), [("edm_mean", "EDM"), ("edm_vpred.sigma_max", "EDM")])
def test_other_noise_schedules_are_refused_by_name(sd15: Shapes, mark: str, word: str) -> None:
    with pytest.raises(UnsupportedModel, match=word):
        checkpoint(header_of({**sd15, mark: (1,)}), "x")


@pytest.mark.parametrize("channels", [4, 8, 9])
def test_inpainting_and_instruct_checkpoints_are_known(sd15: Shapes, channels: int) -> None:
    shapes = {**sd15, f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3)}
    assert checkpoint(header_of(shapes), "x").unet.layout.in_channels == channels


@pytest.mark.parametrize(("channels", "word"), [(5, "depth-to-image"), (7, "upscaling"), (6, "special")])
def test_special_checkpoints_are_named(sd15: Shapes, channels: int, word: str) -> None:
    shapes = {**sd15, f"{UNET}input_blocks.0.0.weight": (320, channels, 3, 3)}
    with pytest.raises(UnsupportedModel, match=word):
        checkpoint(header_of(shapes), "x")


def test_a_ragged_unet_is_refused(sd15: Shapes) -> None:
    shapes = {name: shape for name, shape in sd15.items() if "input_blocks.3.1" not in name}
    shapes |= {f"{UNET}input_blocks.4.0.in_layers.2.weight": (640, 640, 3, 3)}
    with pytest.raises(UnsupportedModel, match="unknown shape"):
        checkpoint(header_of(shapes), "x")


def test_a_damaged_tensor_is_an_error_of_the_file(sd15: Shapes) -> None:
    """One of each kind of tensor, as those of a kind are read in one way."""
    kinds = {re.sub(r"\d+", "0", name): name for name in sd15}
    for damaged in kinds.values():
        others = {name: shape for name, shape in sd15.items() if name != damaged}
        for shapes in (others, {**others, damaged: (4,)}):
            for describe in (checkpoint, denoiser, autoencoder, text_tower):
                with contextlib.suppress(ModelError):
                    describe(header_of(shapes), "x")


def test_an_entry_without_channels_is_said(sd15: Shapes) -> None:
    shapes = {**sd15, f"{UNET}input_blocks.0.0.weight": (320,)}
    with pytest.raises(ModelError, match='"x" has a tensor of an impossible shape') as caught:
        checkpoint(header_of(shapes), "x")
    assert caught.value.code == "model_corrupt"


def test_a_controlnet_is_described(control: Shapes) -> None:
    found = controlnet(header_of(control), "x")
    assert (found.family, found.prefix) == (Family.SD1, "control_model.")
    assert found.layout.hint_channels == (16, 32, 96, 256)
    assert found.layout.decoder_depths == ()
    bare = controlnet(header_of(replaced(control, "control_model.", "")), "x")
    assert (bare.layout, bare.prefix) == (found.layout, "")


def test_a_controlnet_of_sdxl_is_known(control: Shapes) -> None:
    shapes = {**widened(control, 2048), "control_model.label_emb.0.0.weight": (4, 4)}
    assert controlnet(header_of(shapes), "x").family is Family.SDXL


def test_a_checkpoint_is_no_controlnet(sd15: Shapes) -> None:
    with pytest.raises(ModelError, match="looks like a checkpoint"):
        controlnet(header_of(sd15), "x")


def test_a_vae_is_found_alone_and_in_a_checkpoint(sd15: Shapes) -> None:
    inside, prefix = autoencoder(header_of(sd15), "x")
    assert prefix == "first_stage_model."
    alone = {n.removeprefix(prefix): shape for n, shape in sd15.items() if n.startswith(prefix)}
    assert autoencoder(header_of(alone), "x") == (inside, "")


def test_a_vae_of_another_family_is_refused(sd15: Shapes) -> None:
    shapes = {**sd15, "first_stage_model.decoder.conv_in.weight": (512, 32, 3, 3)}
    with pytest.raises(UnsupportedModel, match="32 latent channels"):
        autoencoder(header_of(shapes), "x")


def test_a_vae_of_sd3_and_flux_is_known_in_all_its_places(sd15: Shapes) -> None:
    prefix = "first_stage_model."
    shapes = {name.removeprefix(prefix): shape for name, shape in sd15.items() if name.startswith(prefix)}
    shapes = {name: shape for name, shape in shapes.items() if "quant_conv" not in name}
    shapes["decoder.conv_in.weight"] = (512, 16, 3, 3)
    layout = AutoencoderLayout((128, 256, 512, 512), 2, 16, has_quant_convs=False)
    for place in (prefix, "vae.", ""):
        found = autoencoder(header_of({place + name: shape for name, shape in shapes.items()}), "x")
        assert found == (layout, place)


def test_a_lora_is_no_vae() -> None:
    with pytest.raises(ModelError, match="looks like a LoRA") as caught:
        autoencoder(header_of(KINDS["lora"]), "x")
    assert caught.value.code == "wrong_model_kind"
