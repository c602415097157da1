"""What a LoRA file's names say."""

from typing import Any

import pytest

from bridge.errors import BridgeError, UnsupportedModel
from bridge.models import Family, Header, TensorEntry, adapters_of, lora_family

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"
FLAT = TO_K.replace(".", "_")


def header(shapes: dict[str, tuple[int, ...]]) -> Header:
    return Header({name: TensorEntry("F32", shape, 0, 0) for name, shape in shapes.items()}, {})


def pair(stem: str, up: str = ".lora_up.weight", down: str = ".lora_down.weight", width: int = 768) -> Any:
    return {stem + up: (320, 4), stem + down: (4, width)}


@pytest.mark.parametrize(
    "tensors",
    [
        pair(f"lora_unet_{FLAT}"),
        pair(f"lycoris_{FLAT}"),
        pair(f"unet.{TO_K}", ".lora_B.weight", ".lora_A.weight"),
        pair(f"base_model.model.{TO_K}", ".lora_B.default.weight", ".lora_A.default.weight"),
        pair(f"unet.base_model.model.{TO_K}", ".lora_B.weight", ".lora_A.weight"),
        pair(f"unet.{TO_K}", ".lora.up.weight", ".lora.down.weight"),
        pair(f"unet.{TO_K.replace('.to_k', '.processor.to_k')}", "_lora.up.weight", "_lora.down.weight"),
        pair(TO_K.replace(".to_k", ".processor.to_k"), "_lora.up.weight", "_lora.down.weight"),
    ],
)
def test_every_trainers_spelling_names_the_same_module(tensors: Any) -> None:
    [adapter] = adapters_of(header(tensors), "x")
    assert (adapter.part, adapter.module, adapter.kind) == ("unet", FLAT, "lora")
    assert [adapter.tensors["up"], adapter.tensors["down"]] == list(tensors)


@pytest.mark.parametrize(
    ("stem", "part"),
    [
        ("lora_te_text_model_encoder_layers_0_mlp_fc1", "text_1"),
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1", "text_1"),
        ("lora_te2_text_model_encoder_layers_0_mlp_fc1", "text_2"),
        ("text_encoder.text_model.encoder.layers.0.mlp.fc1", "text_1"),
        ("text_encoder_2.text_model.encoder.layers.0.mlp.fc1", "text_2"),
        ("lora_te3_encoder_layers_0_mlp_fc1", "text_3"),
        ("text_encoders.t5xxl.transformer.encoder.layers.0.mlp.fc1", "text_3"),
        ("text_encoders.clip_g.transformer.text_model.encoder.layers.0.mlp.fc1", "text_2"),
    ],
)
def test_text_towers_are_told_apart(stem: str, part: str) -> None:
    [adapter] = adapters_of(header(pair(stem)), "x")
    assert (adapter.part, adapter.module) == (part, "encoder_layers_0_mlp_fc1")


def test_the_output_projection_has_one_name() -> None:
    stem = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out"
    [adapter] = adapters_of(header(pair(stem, "_lora.up.weight", "_lora.down.weight")), "x")
    assert adapter.module == "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0"


@pytest.mark.parametrize(
    ("key", "module", "kind"),
    [
        ("img_in.lora_B.bias", "img_in", "bias_difference"),
        (
            "double_blocks.0.img_attn.norm.key_norm.scale",
            "double_blocks_0_img_attn_norm_key_norm",
            "replacement",
        ),
        (
            "transformer.transformer_blocks.0.attn.norm_q.weight",
            "transformer_blocks_0_attn_norm_q",
            "replacement",
        ),
        (
            "transformer.transformer_blocks.0.attn.norm_added_k.weight",
            "transformer_blocks_0_attn_norm_added_k",
            "replacement",
        ),
    ],
)
def test_control_loras_hold_biases_and_norms(key: str, module: str, kind: str) -> None:
    found = adapters_of(header(pair("img_in", ".lora_B.weight", ".lora_A.weight") | {key: (64,)}), "x")
    assert [(each.module, each.kind) for each in found[1:] or found] == [(module, kind)]


@pytest.mark.parametrize(
    ("names", "family"),
    [
        (pair(f"lora_unet_{FLAT}", width=768), Family.SD1),
        (pair(f"lora_unet_{FLAT}", width=1024), Family.SD2),
        (pair(f"lora_unet_{FLAT}", width=2048), Family.SDXL),
        (pair(f"lora_unet_{FLAT}", width=1280), Family.SDXL_REFINER),
        (pair("lora_unet_input_blocks_7_1_transformer_blocks_1_attn1_to_q"), Family.SDXL),
        (pair("lora_te2_text_model_encoder_layers_0_mlp_fc1"), Family.SDXL),
        (pair("lora_unet_double_blocks_0_img_attn_qkv"), Family.FLUX),
        (pair("transformer.single_transformer_blocks.0.attn.to_q"), Family.FLUX),
        (pair("lora_unet_joint_blocks_0_x_block_attn_qkv"), Family.SD3),
        (pair("transformer.transformer_blocks.0.attn.to_q", width=3072), Family.FLUX),
        (pair("transformer.transformer_blocks.0.attn.to_q", width=2432), Family.SD3),
        (pair("transformer.transformer_blocks.0.attn.to_q", width=8), None),
        (pair("base_model.model.transformer_blocks.0.attn1.to_q", width=1152), None),
        (pair("lora_te_text_model_encoder_layers_0_mlp_fc1"), None),
    ],
)
def test_the_family_shows_in_names_and_shapes(names: Any, family: Family | None) -> None:
    head = header(names)
    assert lora_family(head, adapters_of(head, "x")) is family


@pytest.mark.parametrize(
    ("tensors", "label"),
    [
        ({"lora_unet_a.on_input": (1,), "lora_unet_a.weight": (4,)}, "(IA)³"),
        ({"lora_unet_a.oft_blocks": (2, 4, 8, 8)}, "BOFT"),
    ],
)
def test_kinds_that_cannot_be_applied_are_named(tensors: Any, label: str) -> None:
    with pytest.raises(UnsupportedModel) as caught:
        adapters_of(header(tensors), "x")
    assert label in caught.value.message


@pytest.mark.parametrize(
    ("tensors", "code", "says"),
    [
        ({"model.diffusion_model.input_blocks.0.0.weight": (4, 4, 3, 3)}, "wrong_model_kind", "a checkpoint"),
        ({"decoder.conv_in.weight": (4, 4, 3, 3)}, "wrong_model_kind", "a VAE"),
        ({"double_blocks.0.img_attn.norm.query_norm.scale": (128,)}, "wrong_model_kind", "a diffusion model"),
        ({"something": (1,)}, "wrong_model_kind", "no LoRA"),
        ({"lora_unet_a.lora_up.weight": (4, 4)}, "model_corrupt", "lora_unet_a"),
    ],
)
def test_other_files_are_refused(tensors: Any, code: str, says: str) -> None:
    with pytest.raises(BridgeError) as caught:
        adapters_of(header(tensors), "x.safetensors")
    assert caught.value.code == code
    assert says in caught.value.message
    assert "x.safetensors" in caught.value.message


@pytest.mark.parametrize("shape", [(4,), ()])
def test_a_flat_tensor_tells_no_family(shape: tuple[int, ...]) -> None:
    damaged = header(pair(f"lora_unet_{FLAT}") | {f"lora_unet_{FLAT}.lora_down.weight": shape})
    assert lora_family(damaged, adapters_of(damaged, "x")) is None
