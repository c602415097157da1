"""LoRA files on a tiny checkpoint."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import DiffusionModel, TextEncoder
from bridge.diffusion.ldm_names import unet_names
from bridge.diffusion.lora import apply_lora
from bridge.engine import Job, running
from bridge.errors import ModelError, Problem
from bridge.models import Family

PLACE = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT_PLACE = "encoder.layers.1.mlp.fc1"
Write = Callable[[dict[str, Tensor]], Path]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


UP, DOWN = noise(16, 2), noise(2, 16)
FLAT = {"lora_up.weight": UP, "lora_down.weight": DOWN}


def kohya(stem: str, **tensors: Tensor) -> dict[str, Tensor]:
    return {f"{stem}.{ending}": tensor for ending, tensor in (FLAT | tensors).items()}


KOHYA = kohya("lora_unet_" + PLACE.replace(".", "_"), alpha=torch.tensor(1.0))
TEXT = {
    "lora_te_text_model_encoder_layers_1_mlp_fc1.lora_up.weight": noise(32, 2),
    "lora_te_text_model_encoder_layers_1_mlp_fc1.lora_down.weight": DOWN,
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(tensors: dict[str, Tensor]) -> Path:
        file = tmp_path / "x.safetensors"
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, file)
        return file

    return write


def weight(model: DiffusionModel, place: str = PLACE) -> Tensor:
    found: Tensor = model.unet.module().get_parameter(f"{place}.weight")
    return found


def test_strength_times_alpha_over_rank_times_the_product(model: DiffusionModel, write: Write) -> None:
    changed, _ = apply_lora(write(KOHYA), "x", model, None, 0.8, 0.0)
    torch.testing.assert_close(weight(changed), weight(model) + 0.8 * 0.5 * UP @ DOWN)


def test_several_add_up(model: DiffusionModel, write: Write) -> None:
    file = write(KOHYA)
    once, _ = apply_lora(file, "x", model, None, 1.0, 0.0)
    back, _ = apply_lora(file, "x", once, None, -1.0, 0.0)
    torch.testing.assert_close(weight(back), weight(model))


@pytest.mark.parametrize(
    "stem",
    [
        f"unet.{PLACE}",
        "lora_unet_" + unet_names(PLACE, 1)[0].replace(".", "_"),
        "diffusion_model." + unet_names(PLACE, 1)[0],
    ],
)
def test_both_namings_of_modules_are_understood(model: DiffusionModel, write: Write, stem: str) -> None:
    changed, _ = apply_lora(write(kohya(stem)), "x", model, None, 1.0, 0.0)
    torch.testing.assert_close(weight(changed), weight(model) + UP @ DOWN)


def test_the_text_encoder_has_a_strength_of_its_own(
    model: DiffusionModel, clip: TextEncoder, write: Write
) -> None:
    same, changed = apply_lora(write(KOHYA | TEXT), "x", model, clip, 0.0, 0.5)
    assert same is model
    [mine, theirs] = (
        each.towers[0].network.module().get_parameter(f"{TEXT_PLACE}.weight") for each in (changed, clip)
    )
    torch.testing.assert_close(mine, theirs + 0.5 * noise(32, 2) @ DOWN)


def test_without_strength_nothing_is_opened(model: DiffusionModel, clip: TextEncoder, tmp_path: Path) -> None:
    assert apply_lora(tmp_path / "missing", "x", model, clip, 0.0, 0.0) == (model, clip)


def test_biases_and_norms_take_differences(model: DiffusionModel, write: Write) -> None:
    stem = "lora_unet_mid_block_resnets_0_conv1"
    changed, _ = apply_lora(write({f"{stem}.diff_b": torch.ones(32)}), "x", model, None, 2.0, 0.0)
    place = "mid_block.resnets.0.conv1.bias"
    [mine, theirs] = (each.unet.module().get_parameter(place) for each in (changed, model))
    torch.testing.assert_close(mine, theirs + 2)


def test_a_lora_of_another_family_is_refused_with_both_named(model: DiffusionModel, write: Write) -> None:
    tensors = kohya("lora_te2_text_model_encoder_layers_0_mlp_fc1") | KOHYA
    with pytest.raises(ModelError, match=r"SDXL.*Stable Diffusion 1\.x") as caught:
        apply_lora(write(tensors), "x", model, None, 1.0, 0.0)
    assert caught.value.code == "model_mismatch"
    apply_lora(write(tensors), "x", replace(model, family=Family.SDXL), None, 1.0, 0.0)


def test_a_file_that_matches_nothing_is_refused(model: DiffusionModel, write: Write) -> None:
    with pytest.raises(ModelError, match="changes nothing") as caught:
        apply_lora(write(kohya("lora_unet_elsewhere")), "x", model, None, 1.0, 0.0)
    assert caught.value.code == "model_mismatch"


def test_a_file_for_text_encoders_says_where_it_belongs(model: DiffusionModel, write: Write) -> None:
    with pytest.raises(ModelError) as caught:
        apply_lora(write(TEXT), "x", model, None, 1.0, 0.0)
    assert "LoraLoader" in caught.value.hint


def test_tensors_that_match_nothing_are_counted(model: DiffusionModel, write: Write, job: Job) -> None:
    told: list[Problem] = []
    with running(job, "3", told):
        apply_lora(write(KOHYA | TEXT), "x", model, None, 1.0, 0.0)
        assert not told
        apply_lora(write(KOHYA | kohya("lora_unet_elsewhere")), "x", model, None, 1.0, 0.0)
    assert [each.message for each in told] == [
        '2 of 5 tensors of the LoRA "x" match nothing in this checkpoint'
    ]


def test_a_shape_that_does_not_fit_names_the_tensor(model: DiffusionModel, write: Write) -> None:
    tensors = KOHYA | {next(iter(KOHYA)): noise(12, 2)}
    with pytest.raises(ModelError, match=r"attn2_to_k.lora_up.weight\" \[12, 2\].*\[16, 16\]"):
        apply_lora(write(tensors), "x", model, None, 1.0, 0.0)


def test_values_that_are_no_numbers_name_the_file(model: DiffusionModel, write: Write) -> None:
    tensors = {name: tensor.clone() for name, tensor in KOHYA.items()}
    tensors[next(iter(tensors))][0, 0] = torch.nan
    changed, _ = apply_lora(write(tensors), "x", model, None, 1.0, 0.0)
    with pytest.raises(ModelError, match='"x" holds values that are no numbers') as caught:
        changed.unet.module()
    assert caught.value.code == "model_corrupt"


def test_a_file_that_is_gone_when_it_is_needed_is_said(model: DiffusionModel, write: Write) -> None:
    file = write(KOHYA)
    changed, _ = apply_lora(file, "x", model, None, 1.0, 0.0)
    file.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        changed.unet.module()


def test_reading_is_reported_in_the_loaders_name(
    model: DiffusionModel, write: Write, job: Job, sent: list[Any]
) -> None:
    job = replace(job, workflow={"7": {"class_type": "LoraLoader", "inputs": {}}})
    with running(job, "7"):
        changed, _ = apply_lora(write(KOHYA), "x", model, None, 1.0, 0.0)
    assert not sent
    with running(job, "3"):
        changed.unet.module()
    assert {message.node for message in sent} == {"7"}
    assert sent[-1].value == sent[-1].maximum == pytest.approx((2 * 32 + 1) * 4 / 1e6)
