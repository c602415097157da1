"""GLIGEN: words in boxes, against diffusers' UNet with gated attention."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import Area, DiffusionModel, Network, Prompt, TextEncoder, encode_prompt, pool_words
from bridge.diffusion.control import cover_negative, prepare
from bridge.diffusion.gligen import add_text_box, load_gligen
from bridge.diffusion.networks import SCALING_FACTOR
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.steering import Step, steered
from bridge.diffusion.types import GroundingNetwork, TextBox
from bridge.engine import Folders, Job, running
from bridge.errors import InputError, ModelError

CONTEXT, SIZE = 24, (6, 8)
CONFIG: dict[str, Any] = {
    "block_out_channels": (16, 32), "layers_per_block": 1, "norm_num_groups": 8, "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"), "cross_attention_dim": CONTEXT,
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
PLACES = {
    "down_blocks.0.attentions.0": "input_blocks.1.1",
    "mid_block.attentions.0": "middle_block.1",
    "up_blocks.1.attentions.0": "output_blocks.2.1",
    "up_blocks.1.attentions.1": "output_blocks.3.1",
}
PROMPT = Prompt(torch.randn(1, 7, CONTEXT, generator=torch.Generator().manual_seed(1)))


@pytest.fixture(autouse=True)
def _job(tmp_path: Path) -> Iterator[None]:
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "1"):
        yield


@pytest.fixture(scope="module")
def theirs() -> UNet2DConditionModel:
    """A UNet that has GLIGEN's layers."""
    unet = UNet2DConditionModel(**CONFIG, attention_type="gated").eval()
    generator = torch.Generator().manual_seed(2)
    for parameter in unet.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.5
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale
    return unet


@pytest.fixture(scope="module")
def unet(theirs: UNet2DConditionModel) -> UNet2DConditionModel:
    """The same without them."""
    plain = UNet2DConditionModel(**CONFIG).eval()
    plain.load_state_dict({key: theirs.state_dict()[key] for key in plain.state_dict()})
    return plain


@pytest.fixture
def network(theirs: UNet2DConditionModel, tmp_path: Path) -> GroundingNetwork:
    tensors = {}
    for name, tensor in theirs.state_dict().items():
        place, _, rest = name.partition(".transformer_blocks.")
        if ".fuser." in name:
            tensors[f"{PLACES[place]}.transformer_blocks.{rest}"] = tensor.contiguous()
        elif name.startswith("position_net."):
            tensors[name] = tensor.contiguous()
    save_file(tensors, tmp_path / "gligen.safetensors")
    return load_gligen(tmp_path / "gligen.safetensors", "g")


@pytest.fixture
def model(unet: UNet2DConditionModel) -> DiffusionModel:
    return DiffusionModel(
        Network("u", lambda placement: unet), stable_diffusion_schedule(), SCALING_FACTOR, 8
    )


def box(number: int, *place: int) -> TextBox:
    words = torch.randn(1, CONTEXT, generator=torch.Generator().manual_seed(number))
    return TextBox(words, *(place or (8, 16, 24, 32)))


def asked(unet: Any, given: dict[str, Any], latents: Tensor) -> Tensor:
    embeds = PROMPT.prompt_embeds.expand(len(latents), -1, -1)
    result: Tensor = unet(latents, torch.tensor([500]), embeds, return_dict=False, **given)[0]
    return result


def test_boxes_are_painted_as_diffusers_would(
    network: GroundingNetwork, model: DiffusionModel, theirs: UNet2DConditionModel
) -> None:
    boxes = box(1, 8, 16, 24, 32), box(2, 33, 0, 31, 47)
    [prompt] = add_text_box(add_text_box([PROMPT], network, boxes[0]), network, boxes[1])
    assert prompt.grounding is not None
    latents = torch.randn(2, 4, *SIZE, generator=torch.Generator().manual_seed(3))
    step = Step(latents, torch.tensor([500]), PROMPT.prompt_embeds)
    plain = model.unet.module()
    changed, given = steered(plain, [prepare(prompt.grounding, model, latents.shape)], 1.0, step)

    corners, is_there, words = torch.zeros(2, 30, 4), torch.zeros(2, 30), torch.zeros(2, 30, CONTEXT)
    # Whole latents, as shares of a picture of 8 × 6.
    corners[:, :2] = torch.tensor([[1 / 8, 2 / 6, 4 / 8, 6 / 6], [4 / 8, 0.0, 7 / 8, 5 / 6]])
    is_there[:, :2] = 1.0
    words[:, :2] = torch.cat([each.embedding for each in boxes])
    arguments = {"boxes": corners, "masks": is_there, "positive_embeddings": words}
    expected = asked(theirs, {"cross_attention_kwargs": {"gligen": arguments}}, latents)

    torch.testing.assert_close(asked(changed, given, latents), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(asked(plain, {}, latents), expected, atol=1e-2)


def test_the_unet_stays_as_it_is(network: GroundingNetwork, model: DiffusionModel) -> None:
    [prompt] = add_text_box([PROMPT], network, box(1))
    assert prompt.grounding is not None
    step = Step(torch.randn(1, 4, *SIZE), torch.tensor([500]), PROMPT.prompt_embeds)
    unet = model.unet.module()
    changed, _ = steered(unet, [prepare(prompt.grounding, model, step.sample.shape)], 1.0, step)
    assert not any("fuser" in name for name, _ in unet.named_modules())
    own = {id(each) for each in (*unet.parameters(), *network.network.module().parameters())}
    assert {id(each) for each in changed.parameters()} <= own
    assert PROMPT.grounding is None


def test_the_negative_prompt_gets_the_same_boxes(network: GroundingNetwork) -> None:
    [prompt] = add_text_box([PROMPT], network, box(1))
    [own] = add_text_box([PROMPT], network, box(2))
    assert cover_negative([prompt], [PROMPT])[0].grounding is prompt.grounding
    assert cover_negative([prompt], [own])[0].grounding is own.grounding
    windowed = replace(prompt, area=Area(64, 64, 0, 0))
    assert cover_negative([windowed], [PROMPT])[0].grounding is None


def test_too_many_boxes_are_refused(network: GroundingNetwork, model: DiffusionModel) -> None:
    prompts: tuple[Prompt, ...] = (PROMPT,)
    for number in range(31):
        prompts = add_text_box(prompts, network, box(number))
    assert prompts[0].grounding is not None
    with pytest.raises(InputError, match="takes 30 boxes, not 31"):
        prepare(prompts[0].grounding, model, (1, 4, *SIZE))


def test_words_and_prompts_of_another_family_are_refused(network: GroundingNetwork) -> None:
    for prompt, words in ((Prompt(torch.zeros(1, 7, 16)), CONTEXT), (PROMPT, 16)):
        with pytest.raises(ModelError) as caught:
            add_text_box([prompt], network, TextBox(torch.zeros(1, words), 0, 0, 8, 8))
        assert caught.value.code == "model_mismatch"


def test_a_unet_of_other_layers_is_refused(network: GroundingNetwork, model: DiffusionModel) -> None:
    wide = UNet2DConditionModel(**{**CONFIG, "block_out_channels": (16, 64)})
    other = replace(model, unet=Network("wide", lambda placement: wide))
    [prompt] = add_text_box([PROMPT], network, box(1))
    assert prompt.grounding is not None
    with pytest.raises(ModelError, match="has other layers") as caught:
        prepare(prompt.grounding, other, (1, 4, *SIZE))
    assert caught.value.code == "model_mismatch"


def test_words_are_pooled_without_their_projection(clip: TextEncoder, make_tower: Any) -> None:
    pooled = encode_prompt(clip, "a house").pooled_prompt_embeds
    assert pooled is not None
    torch.testing.assert_close(pool_words(clip, "a house"), pooled)
    torch.testing.assert_close(pool_words(clip, "a (house:1.5)"), pooled)
    projecting = TextEncoder((make_tower(projection=8),))
    torch.testing.assert_close(pool_words(projecting, "a house"), pooled)
