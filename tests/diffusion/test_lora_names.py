"""LoRAs of transformers, in the naming of diffusers and in that of the original code."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import DiffusionModel, Network, TextEncoder, TextTower
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.lora import apply_lora
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import Family

Write = Callable[[dict[str, Tensor]], Path]
RANK = 2


@pytest.fixture(scope="module")
def weights() -> Any:
    """The module ``transformer_weights.py`` beside this one."""
    path = Path(__file__).with_name("transformer_weights.py")
    spec = importlib.util.spec_from_file_location("transformer_weights", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_model(weights: Any) -> Callable[[str], DiffusionModel]:
    def make(name: str) -> DiffusionModel:
        layout, family = weights.SMALL[name]
        network: Network[Any] = Network(name, lambda placement: weights.small_transformer(layout))
        return DiffusionModel(network, flow_schedule(1.0), 1.0, 8, family=family)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(tensors: dict[str, Tensor]) -> Path:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, file)
        return file

    return write


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


def lora(stem: str, rows: int, columns: int) -> tuple[dict[str, Tensor], Tensor]:
    """Return the tensors of a LoRA, and what it adds."""
    up, down = noise(rows, RANK), noise(RANK, columns, seed=1)
    tensors = {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}
    return {**tensors, f"{stem}.alpha": torch.tensor(1.0)}, up @ down / RANK


def changed_state(model: DiffusionModel, write: Write, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    changed, _ = apply_lora(write(tensors), "x", model, None, 1.0, 0.0)
    state: dict[str, Tensor] = changed.unet.module().state_dict()
    return state


ORIGINAL = [
    ("flux_dev", "double_blocks.1.img_attn.qkv"),
    ("flux_dev", "double_blocks.0.txt_mlp.2"),
    ("flux_dev", "single_blocks.2.linear1"),
    ("flux_dev", "single_blocks.0.linear2"),
    ("flux_dev", "final_layer.adaLN_modulation.1"),
    ("flux_dev", "img_in"),
    ("sd35", "joint_blocks.0.x_block.attn2.qkv"),
    ("sd35", "joint_blocks.1.context_block.attn.qkv"),
    ("sd35", "joint_blocks.2.context_block.adaLN_modulation.1"),
    ("pixart_sigma", "blocks.1.cross_attn.kv_linear"),
    ("pixart_alpha", "blocks.0.attn.qkv"),
]


@pytest.mark.parametrize("prefix", ["lora_unet_", "diffusion_model."])
@pytest.mark.parametrize(("name", "place"), ORIGINAL, ids=[place for _, place in ORIGINAL])
def test_modules_of_the_original_are_changed_as_there(
    make_model: Any, weights: Any, write: Write, name: str, place: str, prefix: str
) -> None:
    model = make_model(name)
    layout, _ = weights.SMALL[name]
    before = weights.original_state(model.unet.module().state_dict(), layout)
    weight = before[f"{place}.weight"]
    spelling = place.replace(".", "_") if prefix.endswith("_") else place
    tensors, difference = lora(prefix + spelling, *weight.shape)
    after = weights.original_state(changed_state(model, write, tensors), layout)
    for key, value in before.items():
        expected = value + difference if key == f"{place}.weight" else value
        torch.testing.assert_close(after[key], expected)


@pytest.mark.parametrize("prefix", ["transformer.", "lora_transformer_", "lycoris_", "base_model.model."])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("flux_dev", "single_transformer_blocks.1.attn.to_k"),
        ("sd3", "transformer_blocks.0.attn.add_v_proj"),
        ("pixart_sigma", "transformer_blocks.0.attn2.to_out.0"),
    ],
)
def test_modules_of_diffusers_are_changed_as_there(
    make_model: Any, write: Write, name: str, place: str, prefix: str
) -> None:
    model = make_model(name)
    weight = model.unet.module().get_parameter(f"{place}.weight")
    spelling = place.replace(".", "_") if prefix.endswith("_") else place
    tensors, difference = lora(prefix + spelling, *weight.shape)
    after = changed_state(model, write, tensors)
    torch.testing.assert_close(after[f"{place}.weight"], weight + difference)


@pytest.mark.parametrize("kind", ["loha", "lokr", "dora", "difference"])
def test_every_kind_can_change_a_part_of_a_matrix(
    make_model: Any, weights: Any, write: Write, kind: str
) -> None:
    model, stem = make_model("flux_dev"), "lora_unet_double_blocks_0_img_attn_qkv"
    layout, _ = weights.SMALL["flux_dev"]
    place = "double_blocks.0.img_attn.qkv.weight"
    before = weights.original_state(model.unet.module().state_dict(), layout)[place]
    rows, columns = before.shape
    product = noise(rows, RANK) @ noise(RANK, columns, seed=1)
    if kind == "loha":
        names = ("w1_a", "w1_b", "w2_a", "w2_b")
        parts = dict(zip(names, (noise(rows, RANK), noise(RANK, columns, seed=1)) * 2, strict=True))
        tensors = {f"{stem}.hada_{name}": part for name, part in parts.items()}
        expected = before + product * product
    elif kind == "lokr":
        first, second = noise(4, 4), noise(rows // 4, columns // 4)
        tensors = {f"{stem}.lokr_w1": first, f"{stem}.lokr_w2": second}
        expected = before + torch.kron(first, second)
    elif kind == "dora":
        tensors, difference = lora(stem, rows, columns)
        tensors[f"{stem}.dora_scale"] = scale = noise(rows, 1).abs()
        expected = (before + difference) * scale / before.norm(dim=1, keepdim=True)
    else:
        tensors = {f"{stem}.diff": noise(rows, columns)}
        expected = before + noise(rows, columns)
    after = weights.original_state(changed_state(model, write, tensors), layout)
    torch.testing.assert_close(after[place], expected, atol=1e-4, rtol=1e-4)


def test_what_a_part_does_not_tell_is_refused(make_model: Any, write: Write) -> None:
    stem = "lora_unet_double_blocks_0_img_attn_qkv"
    tensors = {f"{stem}.oft_blocks": noise(4, 48, 48)}
    with pytest.raises(UnsupportedModel, match="more than a part of its matrix"):
        apply_lora(write(tensors), "x", make_model("flux_dev"), None, 1.0, 0.0)


def test_a_lora_of_another_size_is_refused(make_model: Any, write: Write) -> None:
    tensors, _ = lora("lora_unet_double_blocks_0_img_attn_qkv", 3 * 32, 64)
    with pytest.raises(ModelError, match="does not fit the checkpoint"):
        apply_lora(write(tensors), "x", make_model("flux_dev"), None, 1.0, 0.0)


def test_a_lora_of_flux_is_refused_on_sd3(make_model: Any, write: Write) -> None:
    tensors, _ = lora("lora_unet_double_blocks_0_img_attn_qkv", 192, 64)
    with pytest.raises(ModelError, match="LoRA for Flux; sd3 belongs to Stable Diffusion 3") as caught:
        apply_lora(write(tensors), "x", make_model("sd3"), None, 1.0, 0.0)
    assert caught.value.code == "model_mismatch"


MARKS: dict[Family, tuple[str, str, int, int]] = {
    Family.FLUX: ("flux_dev", "lora_unet_double_blocks_0_img_attn_proj", 64, 64),
    Family.SD3: ("sd3", "lora_unet_joint_blocks_0_x_block_attn_proj", 128, 128),
}
"""What shows a file's family: a module of its transformer."""


@pytest.mark.parametrize(
    ("family", "stem", "changes"),
    [
        (Family.FLUX, "lora_te1_text_model_encoder_layers_1_mlp_fc1", 0),
        (Family.FLUX, "lora_te2_text_model_encoder_layers_1_mlp_fc1", 1),
        (Family.FLUX, "lora_te3_text_model_encoder_layers_1_mlp_fc1", 1),
        (Family.SD3, "text_encoder_2.text_model.encoder.layers.1.mlp.fc1", 0),
        (Family.SD3, "lora_te3_text_model_encoder_layers_1_mlp_fc1", 1),
    ],
)
def test_text_towers_go_by_what_they_are(
    make_model: Any, make_tower: Any, write: Write, family: Family, stem: str, changes: int
) -> None:
    """Flux's T5 is trainers' second or third tower; SD3's keeps its number where others are missing."""
    first = make_tower("clip_l" if family is Family.FLUX else "clip_g")
    second = replace(make_tower(seed=1), kind="t5xxl")  # stands for T5; only names matter here
    clip = TextEncoder((first, second), family)
    name, mark, rows, columns = MARKS[family]
    tensors, difference = lora(stem, 32, 16)
    tensors |= lora(mark, rows, columns)[0]
    _, changed = apply_lora(write(tensors), "x", make_model(name), clip, 0.0, 1.0)
    for number, tower in enumerate(clip.towers):
        found, weight = (fc1(each) for each in (changed.towers[number], tower))
        torch.testing.assert_close(found, weight + difference if number == changes else weight)


def fc1(tower: TextTower) -> Tensor:
    weight: Tensor = tower.network.module().get_parameter("encoder.layers.1.mlp.fc1.weight")
    return weight


def control_lora(place: str, rows: int, columns: int) -> dict[str, Tensor]:
    """Return what Flux's depth and canny LoRAs hold for a matrix, and a norm beside it."""
    pair = {"lora_A.weight": noise(RANK, columns, seed=1), "lora_B.weight": noise(rows, RANK)}
    norm = "double_blocks.0.img_attn.norm.query_norm.scale"
    return {f"{place}.{end}": each for end, each in pair.items()} | {norm: noise(32)}


def test_a_wider_lora_widens_the_first_layer(make_model: Any, write: Write) -> None:
    model = make_model("flux_dev")
    tensors = control_lora("img_in", 64, 128)
    wide, _ = apply_lora(write(tensors), "x", model, None, 0.5, 0.0)
    before, after = (each.unet.module().x_embedder.weight for each in (model, wide))
    assert before.shape == (64, 64)
    assert wide.unet.shapes["x_embedder.weight"] == after.shape == (64, 128)
    added = 0.5 * tensors["img_in.lora_B.weight"] @ tensors["img_in.lora_A.weight"]
    torch.testing.assert_close(after, torch.nn.functional.pad(before, (0, 64)) + added)


@pytest.mark.parametrize("columns", [96, 192, 6400])
def test_one_for_inputs_that_no_flux_has_is_refused(make_model: Any, write: Write, columns: int) -> None:
    with pytest.raises(
        ModelError, match=rf'"x" does not fit .*"img_in\.lora_A\.weight" \[{RANK}, {columns}\]'
    ):
        apply_lora(write(control_lora("img_in", 64, columns)), "x", make_model("flux_dev"), None, 1.0, 0.0)


def test_a_difference_of_another_shape_is_refused(make_model: Any, write: Write) -> None:
    file = write({"diffusion_model.img_in.diff": noise(2, 64, 64)})
    with pytest.raises(ModelError, match='"x" does not fit'):
        apply_lora(file, "x", make_model("flux_dev"), None, 1.0, 0.0)


def test_norms_are_replaced_whatever_the_strength(make_model: Any, write: Write) -> None:
    tensors = control_lora("img_in", 64, 128)
    changed, _ = apply_lora(write(tensors), "x", make_model("flux_dev"), None, 0.5, 0.0)
    norm = changed.unet.module().transformer_blocks[0].attn.norm_q.weight
    assert torch.equal(norm, tensors["double_blocks.0.img_attn.norm.query_norm.scale"])


@pytest.mark.parametrize("place", ["double_blocks.1.txt_attn.qkv", "final_layer.adaLN_modulation.1"])
def test_a_bias_of_a_lora_is_added_to_the_layers_own(
    make_model: Any, weights: Any, write: Write, place: str
) -> None:
    model = make_model("flux_dev")
    layout, _ = weights.SMALL["flux_dev"]
    before = weights.original_state(model.unet.module().state_dict(), layout)
    rows, columns = before[f"{place}.weight"].shape
    bias = noise(rows, seed=2)
    tensors = control_lora(place, rows, columns) | {f"{place}.lora_B.bias": bias}
    after = weights.original_state(changed_state(model, write, tensors), layout)
    torch.testing.assert_close(after[f"{place}.bias"], before[f"{place}.bias"] + bias)


def test_a_plain_lora_adds_to_what_another_widened(make_model: Any, write: Write) -> None:
    wide, _ = apply_lora(write(control_lora("img_in", 64, 128)), "x", make_model("flux_dev"), None, 1.0, 0.0)
    first = wide.unet.module().x_embedder.weight.clone()
    tensors, difference = lora("lora_unet_img_in", 64, 64)
    both = changed_state(wide, write, tensors)
    torch.testing.assert_close(
        both["x_embedder.weight"], first + torch.nn.functional.pad(difference, (0, 64))
    )


@pytest.mark.parametrize(("name", "columns"), [("flux_dev", 96), ("flux_fill", 128), ("flux_depth", 96)])
def test_a_width_that_means_nothing_is_refused(
    make_model: Any, write: Write, name: str, columns: int
) -> None:
    with pytest.raises(ModelError, match="does not fit the checkpoint"):
        apply_lora(write(control_lora("img_in", 64, columns)), "x", make_model(name), None, 1.0, 0.0)
