"""ControlNet-XS: opened from folders, run in a UNet's place, against diffusers' network and pipelines."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetXSAdapter,
    EulerDiscreteScheduler,
    StableDiffusionControlNetXSPipeline,
    StableDiffusionXLControlNetXSPipeline,
    UNet2DConditionModel,
    UNetControlNetXSModel,
)
from torch import Tensor

from bridge.diffusion import (
    Control,
    ControlNetwork,
    DiffusionModel,
    Network,
    Prompt,
    Settings,
    add_control,
    load_controlnet,
    sample,
)
from bridge.diffusion.control import prepare
from bridge.diffusion.controlnet_xs import empty_slim_controlnet
from bridge.diffusion.networks import scaling_factor
from bridge.diffusion.sigmas import stable_diffusion_schedule
from bridge.diffusion.steering import Step, steered
from bridge.engine import Folders, Job, running
from bridge.errors import InputError, ModelError
from bridge.models import Family

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

SIDE = 64
WIDTH = 24
SHAPE = (1, 4, SIDE // 8, SIDE // 8)
PICTURE = torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(2))
PROMPT = Prompt(torch.randn(1, 7, WIDTH, generator=torch.Generator().manual_seed(1)))
STEP = Step(
    torch.randn(SHAPE, generator=torch.Generator().manual_seed(3)),
    torch.tensor([500]),
    PROMPT.prompt_embeds,
)
SIZES = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 32 + 6 * 256,
}


@pytest.fixture(autouse=True)
def _job(tmp_path: Path) -> Iterator[None]:
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "1"):
        yield


def seeded(module: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1
        shift = 1.0 if parameter.ndim == 1 else 0.0
        parameter.data = torch.randn(parameter.shape, generator=generator) * scale + shift
    return module.eval()


def make_unet(family: Family = Family.SD1, **changes: Any) -> UNet2DConditionModel:
    is_xl = family is Family.SDXL
    config = {
        "sample_size": SIDE // 8, "block_out_channels": (16, 32), "layers_per_block": 2,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")[:: 1 if is_xl else -1],
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D")[:: 1 if is_xl else -1],
        "cross_attention_dim": WIDTH, "attention_head_dim": (1, 2), "norm_num_groups": 8,
        "use_linear_projection": is_xl, "transformer_layers_per_block": (1, 2) if is_xl else 1,
        **(SIZES if is_xl else {}), **changes,
    }  # fmt: skip
    return seeded(UNet2DConditionModel(**config), 1)  # type: ignore[no-any-return]


def make_adapter(unet: UNet2DConditionModel, **changes: Any) -> ControlNetXSAdapter:
    settings = {"block_out_channels": (4, 8), "num_attention_heads": (1, 2), **changes}
    return seeded(ControlNetXSAdapter.from_unet(unet, **settings), 2)  # type: ignore[no-any-return]


def model_of(unet: UNet2DConditionModel, family: Family = Family.SD1) -> DiffusionModel:
    network = Network("tiny UNet", lambda placement: unet)
    return DiffusionModel(network, stable_diffusion_schedule(), scaling_factor(family), 8, family=family)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[ControlNetXSAdapter], ControlNetwork]:
    def opened(adapter: ControlNetXSAdapter) -> ControlNetwork:
        adapter.save_pretrained(tmp_path / "xs")
        return load_controlnet(tmp_path / "xs", "xs")

    return opened


def relative_error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"conditioning_channel_order": "bgr"},
        {"learn_time_embedding": True, "time_embedding_mix": 0.6},
    ],
    ids=str,
)
def test_it_computes_what_diffusers_joined_network_does(changes: dict[str, Any], opened: Any) -> None:
    unet = make_unet()
    adapter = make_adapter(unet, **changes)
    steering = prepare(Control(opened(adapter), PICTURE, 0.7), model_of(unet), SHAPE)
    network, given = steered(unet, [steering], 1.0, STEP)
    found = network(
        STEP.sample, STEP.timestep, encoder_hidden_states=STEP.prompt_embeds, return_dict=False, **given
    )[0]

    theirs = UNetControlNetXSModel.from_unet(unet, adapter)
    expected = theirs(
        STEP.sample, STEP.timestep, STEP.prompt_embeds, PICTURE.movedim(-1, 1), 0.7, return_dict=False
    )[0]
    assert relative_error(found, expected) < 1e-5  # diffusers' copy has another epsilon in its norms
    plain = unet(STEP.sample, STEP.timestep, STEP.prompt_embeds, return_dict=False)[0]
    assert relative_error(plain, expected) > 0.05


def test_it_copies_no_weight(opened: Any) -> None:
    unet = make_unet()
    control = opened(make_adapter(unet))
    network, _ = steered(unet, [prepare(Control(control, PICTURE), model_of(unet), SHAPE)], 1.0, STEP)
    own = {id(each) for each in (*unet.parameters(), *control.network.module().parameters())}
    assert {id(each) for each in network.parameters()} <= own


def test_outside_of_its_range_the_unet_is_asked(opened: Any) -> None:
    unet = make_unet()
    steering = prepare(Control(opened(make_adapter(unet)), PICTURE, 1.0, 0.5, 1.0), model_of(unet), SHAPE)
    assert steered(unet, [steering], 14.0, STEP) == (unet, {})
    assert steered(unet, [steering], 0.1, STEP)[0] is not unet


def test_two_at_once_are_refused_but_may_take_turns(opened: Any) -> None:
    unet = make_unet()
    control = opened(make_adapter(unet))
    first, second = (
        prepare(Control(control, PICTURE, 1.0, *span), model_of(unet), SHAPE) for span in ((0, 0.4), (0.6, 1))
    )
    assert steered(unet, [first, second], 14.0, STEP)[1]["controlnet_cond"] is not None
    with pytest.raises(InputError, match="cannot steer together") as caught:
        steered(unet, [first, prepare(Control(control, PICTURE), model_of(unet), SHAPE)], 14.0, STEP)
    assert "end_percent" in str(caught.value.hint)


def test_odd_sizes_are_refused_with_a_remedy(opened: Any) -> None:
    unet = make_unet()
    shape = (1, 4, 8, 7)
    steering = prepare(Control(opened(make_adapter(unet)), PICTURE), model_of(unet), shape)
    network, given = steered(unet, [steering], 1.0, replace(STEP, sample=torch.randn(shape)))
    with pytest.raises(InputError, match="multiple of 2 latents, not 7×8") as caught:
        network(torch.randn(shape), STEP.timestep, STEP.prompt_embeds, **given)
    assert "64 pixels" in str(caught.value.hint)


@pytest.mark.parametrize(
    "changes",
    [
        {"cross_attention_dim": 16},
        {"block_out_channels": (16, 16)},
        {"in_channels": 9},
        {"mid_block_type": "UNetMidBlock2D"},
        {"mid_block_type": None},
    ],
    ids=str,
)
def test_one_for_another_unet_is_refused(changes: dict[str, Any], opened: Any) -> None:
    control = opened(make_adapter(make_unet()))
    with pytest.raises(ModelError) as caught:
        prepare(Control(control, PICTURE), model_of(make_unet(**changes)), SHAPE)
    assert caught.value.code == "model_mismatch"


@pytest.mark.parametrize(
    ("family", "changes"),
    [(Family.SD1, {}), (Family.SD2, {"use_linear_projection": True}), (Family.SDXL, {})],
)
def test_its_family_is_told_by_its_transformers(family: Family, changes: dict[str, Any], opened: Any) -> None:
    assert opened(make_adapter(make_unet(family, **changes))).families == (family,)


def test_without_its_configuration_it_is_refused(tmp_path: Path, opened: Any) -> None:
    opened(make_adapter(make_unet()))
    with pytest.raises(ModelError, match="without its configuration") as caught:
        load_controlnet(tmp_path / "xs" / "diffusion_pytorch_model.safetensors", "x")
    assert "config.json" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("key", "value"),
    [("num_attention_heads", [1, 2, 3]), ("num_attention_heads", 0), ("block_out_channels", [4])],
)
def test_a_configuration_that_contradicts_itself_is_refused(
    tmp_path: Path, opened: Any, key: str, value: Any
) -> None:
    opened(make_adapter(make_unet()))
    file = tmp_path / "xs" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(ModelError, match="describes no ControlNet-XS"):
        load_controlnet(tmp_path / "xs", "x")


@pytest.mark.parametrize(
    ("millions", "config"),
    [
        (53, {"block_out_channels": (64, 128, 256, 256), "cross_attention_dim": 768,
              "num_attention_heads": 8, "use_linear_projection": False}),
        (14, {"block_out_channels": (4, 8, 16, 16), "num_attention_heads": (1, 1, 2, 2),
              "learn_time_embedding": True}),
        (20, {"block_out_channels": (16, 32, 64), "base_block_out_channels": (320, 640, 1280),
              "cross_attention_dim": 2048, "num_attention_heads": 1,
              "transformer_layers_per_block": (1, 2, 10),
              "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D")}),
    ],
    ids=["sd15_encD_canny_53m", "sd21_encD_canny_14m", "sdxl_encD_canny_20m"],
)  # fmt: skip
def test_at_full_size_it_has_as_many_parameters_as_its_authors_say(
    millions: int, config: dict[str, Any]
) -> None:
    """Settings from the configurations of these names in vislearn/ControlNet-XS."""
    network = empty_slim_controlnet(config, "x")
    assert round(sum(each.numel() for each in network.parameters()) / 1e6) == millions


@pytest.mark.filterwarnings("ignore::FutureWarning")  # diffusers calls these pipelines deprecated
@pytest.mark.parametrize("family", [Family.SD1, Family.SDXL], ids=lambda family: family.name)
async def test_a_picture_is_that_of_diffusers_pipeline(family: Family, opened: Any, as_node: Any) -> None:
    unet = make_unet(family)
    adapter = make_adapter(unet)
    vae = AutoencoderKL(
        block_out_channels=(8,) * 4, down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=4,
        up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=scaling_factor(family),
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing",
        steps_offset=1,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(4)
    embeds = [torch.randn(1, 7, WIDTH, generator=generator) for _ in range(2)]
    pooled = [torch.randn(1, 32, generator=generator) for _ in range(2)]
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5))

    is_xl = family is Family.SDXL
    parts = {"vae": vae, "text_encoder": None, "tokenizer": None, "unet": unet, "controlnet": adapter}
    inputs: dict[str, Any] = {"prompt_embeds": embeds[0], "negative_prompt_embeds": embeds[1]}
    if is_xl:
        pipeline: Any = StableDiffusionXLControlNetXSPipeline(
            **parts, text_encoder_2=None, tokenizer_2=None, scheduler=scheduler, add_watermarker=False
        )
        inputs |= {"pooled_prompt_embeds": pooled[0], "negative_pooled_prompt_embeds": pooled[1]}
    else:
        pipeline = StableDiffusionControlNetXSPipeline(
            **parts, scheduler=scheduler, safety_checker=None, feature_extractor=None,
            requires_safety_checker=False,
        )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    scheduler.set_timesteps(4)
    top = float(scheduler.sigmas.max())
    theirs = pipeline(
        image=PICTURE.movedim(-1, 1), num_inference_steps=4, guidance_scale=5.0, output_type="latent",
        latents=noise * (1 + top**2) ** 0.5 / top, controlnet_conditioning_scale=0.8,
        control_guidance_end=0.5, height=SIDE, width=SIDE, **inputs,
    ).images / scaling_factor(family)  # fmt: skip

    control = Control(opened(adapter), PICTURE, 0.8, 0.0, 0.5)
    positive, negative = (
        add_control([Prompt(each, vector if is_xl else None)], control)
        for each, vector in zip(embeds, pooled, strict=True)
    )
    run = Settings(5, 4, 5.0, "euler", "simple")
    work = sample(model_of(unet, family), positive, negative, {"samples": torch.zeros(SHAPE)}, run)
    ours = (await as_node(work))["samples"]

    assert relative_error(ours, theirs) < 1e-4
