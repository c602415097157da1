"""ControlNets of SD3 and Flux, opened from files and asked as diffusers' pipelines ask them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
)
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import (
    SAMPLERS,
    Autoencoder,
    Control,
    ControlNetwork,
    DiffusionModel,
    Network,
    Prompt,
    add_control,
    load_controlnet,
    with_control_type,
)
from bridge.diffusion.backbones.patches import to_latents, to_tokens
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.noise import NoiseSource
from bridge.errors import InputError, ModelError, UnsupportedModel
from bridge.models import Family

pytestmark = [  # diffusers' own
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]

TOLERANCE = 1e-5
SCALING, SHIFT = 0.3611, 0.1159
SIGMAS = [1.0, 0.7, 0.4, 0.0]
STRENGTH = 0.6
WIDTHS = {"num_attention_heads": 2, "joint_attention_dim": 12, "pooled_projection_dim": 8}
FLUX = {**WIDTHS, "attention_head_dim": 32, "in_channels": 64, "axes_dims_rope": (4, 14, 14)}
SD3 = {**WIDTHS, "attention_head_dim": 64, "caption_projection_dim": 128, "pos_embed_max_size": 6}
PICTURE = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(5))


def seeded(module: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.3
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread
    return module.eval().requires_grad_(False)


def noise(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


NOISY = noise(2, 16, 4, 6, seed=3)
PROMPT = Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2))


@pytest.fixture(scope="module")
def vae() -> Any:
    """An autoencoder without chance."""
    module = seeded(
        AutoencoderKL(
            block_out_channels=(4, 4, 4, 4), down_block_types=("DownEncoderBlock2D",) * 4, norm_num_groups=2,
            up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=16, use_quant_conv=False,
            use_post_quant_conv=False, scaling_factor=SCALING, shift_factor=SHIFT,
        ),
        2,
    )  # fmt: skip
    module.encoder.conv_out.weight[16:] = 0.0
    module.encoder.conv_out.bias[16:] = -30.0
    return module


@pytest.fixture
def control(vae: Any) -> Callable[..., Control]:
    def make(network: ControlNetwork, **limits: Any) -> Control:
        own: Network[Any] = Network("tiny VAE", lambda placement: vae)
        return Control(network, PICTURE, STRENGTH, **{"vae": Autoencoder(own, 8, 16), **limits})

    return make


@pytest.fixture
def flux() -> DiffusionModel:
    module = seeded(
        FluxTransformer2DModel(**FLUX, num_layers=3, num_single_layers=3, guidance_embeds=True), 1
    )
    network: Network[Any] = Network("tiny Flux", lambda placement: module)
    return DiffusionModel(network, flow_schedule(1.0), SCALING, 8, family=Family.FLUX, shift_factor=SHIFT)


@pytest.fixture
def sd3() -> DiffusionModel:
    module = seeded(SD3Transformer2DModel(**SD3, sample_size=8, num_layers=4), 1)
    network: Network[Any] = Network("tiny SD3", lambda placement: module)
    return DiffusionModel(network, flow_schedule(1.0), SCALING, 8, family=Family.SD3, shift_factor=SHIFT)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Any], ControlNetwork]:
    def write(state: Any) -> ControlNetwork:
        tensors = state if isinstance(state, dict) else state.state_dict()
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
        return load_controlnet(file, "c")

    return write


async def run(
    model: DiffusionModel,
    as_node: Any,
    *controls: Control,
    noisy: Tensor = NOISY,
    prompt: Prompt = PROMPT,
) -> Tensor:
    conditioning: tuple[Prompt, ...] = (prompt,)
    for each in controls:
        conditioning = add_control(conditioning, each)

    async def steps() -> Tensor:
        denoiser = Denoiser(model, conditioning, (), 1.0, noisy.shape)
        solve = SAMPLERS["euler"].for_schedule(model.schedule)
        latents = noisy
        async for step in solve(denoiser, noisy, SIGMAS, NoiseSource(noisy, SIGMAS, 0)):
            latents = step.latents
        return latents

    finished: Tensor = await as_node(steps())
    return finished


def theirs(model: DiffusionModel, controlnet: Any, vae: Any, **inputs: Any) -> Tensor:
    """Run diffusers' pipeline."""
    scheduler, module = FlowMatchEulerDiscreteScheduler(shift=1.0), model.unet.module()
    is_flux = model.family is Family.FLUX
    if is_flux:
        pipeline = FluxControlNetPipeline(scheduler, vae, None, None, None, None, module, controlnet)
    else:
        pipeline = StableDiffusion3ControlNetPipeline(
            module, scheduler, vae, None, None, None, None, None, None, controlnet
        )
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        prompt_embeds=PROMPT.prompt_embeds.expand(2, -1, -1),
        pooled_prompt_embeds=PROMPT.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        latents=to_tokens(NOISY, 2) if is_flux else NOISY, height=32, width=48, sigmas=SIGMAS[:-1],
        control_image=PICTURE.movedim(-1, 1) * 2 - 1, controlnet_conditioning_scale=STRENGTH,
        guidance_scale=3.5 if is_flux else 1.0, output_type="latent", **inputs,
    ).images  # fmt: skip
    return to_latents(images, 2, 2) if is_flux else images


def flux_controlnet(layers: int = 2, single: int = 1, seed: int = 7, **config: Any) -> Any:
    network = FluxControlNetModel(
        **FLUX, num_layers=layers, num_single_layers=single, guidance_embeds=True, **config
    )
    return seeded(network, seed)


async def test_a_run_of_flux_is_the_pipelines(
    flux: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any
) -> None:
    network = flux_controlnet()
    expected = theirs(flux, network, vae)
    assert error(await run(flux, as_node, control(opened(network))), expected) < TOLERANCE
    assert error(await run(flux, as_node), expected) > 1e-3


async def test_a_union_of_flux_is_told_the_type(
    flux: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any
) -> None:
    network = flux_controlnet(single=0, num_mode=7)
    expected = theirs(flux, network, vae, control_mode=2)
    union = opened(network)
    assert union.control_types == 7
    depth = with_control_type(union, "depth")
    assert error(await run(flux, as_node, control(depth)), expected) < TOLERANCE
    untold = await run(flux, as_node, control(with_control_type(union, "auto")))
    assert error(untold, expected) > 1e-4
    with pytest.raises(InputError, match='does not know the type "segment"'):
        with_control_type(union, "segment")


@pytest.mark.parametrize("is_original", [True, False])
async def test_xlabs_see_the_picture_itself(
    flux: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any, is_original: bool
) -> None:
    network = flux_controlnet(single=0, conditioning_embedding_channels=16, patch_size=2)
    expected = theirs(flux, network, vae)
    state = original_xlabs(network) if is_original else network
    assert error(await run(flux, as_node, control(opened(state), vae=None)), expected) < TOLERANCE


def original_xlabs(network: Any) -> dict[str, Tensor]:
    """Name an XLabs ControlNet's tensors as its authors do."""
    state, renamed = network.state_dict(), {}
    for name, tensor in state.items():
        for old, new in (
            ("controlnet_x_embedder", "pos_embed_input"), ("input_hint_block.conv_in", "input_hint_block.0"),
            ("input_hint_block.conv_out", "input_hint_block.14"),
            *((f"input_hint_block.blocks.{index}.", f"input_hint_block.{2 * index + 2}.")
              for index in range(6)),
            ("x_embedder", "img_in"), ("context_embedder", "txt_in"),
            ("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"),
            ("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"),
            ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
            ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
            ("time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer"),
            ("time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer"),
            ("transformer_blocks", "double_blocks"), ("norm1.linear", "img_mod.lin"),
            ("norm1_context.linear", "txt_mod.lin"), ("attn.norm_q.weight", "img_attn.norm.query_norm.scale"),
            ("attn.norm_k.weight", "img_attn.norm.key_norm.scale"),
            ("attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"),
            ("attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"),
            ("attn.to_out.0", "img_attn.proj"), ("attn.to_add_out", "txt_attn.proj"),
            ("ff.net.0.proj", "img_mlp.0"), ("ff.net.2", "img_mlp.2"), ("ff_context.net.0.proj", "txt_mlp.0"),
            ("ff_context.net.2", "txt_mlp.2"),
        ):  # fmt: skip
            name = name.replace(old, new)
        renamed[name] = tensor
    for whole, parts in (("img_attn.qkv", ("to_q", "to_k", "to_v")),
                         ("txt_attn.qkv", ("add_q_proj", "add_k_proj", "add_v_proj"))):  # fmt: skip
        for block in range(2):
            for kind in ("weight", "bias"):
                renamed[f"double_blocks.{block}.{whole}.{kind}"] = torch.cat(
                    [renamed.pop(f"double_blocks.{block}.attn.{part}.{kind}") for part in parts]
                )
    return renamed


async def test_a_run_of_sd3_is_the_pipelines(
    sd3: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any
) -> None:
    network = seeded(SD3ControlNetModel(**SD3, sample_size=8, num_layers=2), 7)
    expected = theirs(sd3, network, vae)
    assert error(await run(sd3, as_node, control(opened(network))), expected) < TOLERANCE
    assert error(await run(sd3, as_node), expected) > 1e-3


async def test_several_add_up(flux: DiffusionModel, opened: Any, control: Any, as_node: Any) -> None:
    """Of unlike depths; twice the same is twice the strength."""
    deep, flat = opened(flux_controlnet(3, 2)), opened(flux_controlnet(1, 0, seed=8))
    both = await run(flux, as_node, control(deep), control(flat))
    assert error(both, await run(flux, as_node, control(flat), control(deep))) < TOLERANCE
    assert error(both, await run(flux, as_node, control(deep))) > 1e-3


async def test_it_works_beside_references(
    flux: DiffusionModel, opened: Any, control: Any, as_node: Any
) -> None:
    """A ControlNet adds to the tokens of the picture that is made, and to no other."""
    steering = control(opened(flux_controlnet()))
    shown = replace(PROMPT, references=(noise(1, 16, 4, 4, seed=9),))
    both = await run(flux, as_node, steering, prompt=shown)
    assert error(both, await run(flux, as_node, steering)) > 1e-4
    assert error(both, await run(flux, as_node, prompt=shown)) > 1e-4


async def test_odd_latents_fit(flux: DiffusionModel, opened: Any, control: Any, as_node: Any) -> None:
    made = await run(flux, as_node, control(opened(flux_controlnet())), noisy=NOISY[..., :3, :5])
    assert made.shape == (2, 16, 3, 5)


async def test_without_a_vae_it_says_what_to_do(
    flux: DiffusionModel, opened: Any, control: Any, as_node: Any
) -> None:
    with pytest.raises(InputError, match="there is no VAE") as caught:
        await run(flux, as_node, control(opened(flux_controlnet()), vae=None))
    assert "connect its vae" in caught.value.hint


async def test_one_of_another_family_or_size_is_refused(
    flux: DiffusionModel, sd3: DiffusionModel, opened: Any, control: Any, as_node: Any
) -> None:
    with pytest.raises(ModelError, match="was made for Flux; tiny SD3 is Stable Diffusion 3"):
        await run(sd3, as_node, control(opened(flux_controlnet())))
    wide = seeded(
        FluxControlNetModel(**{**FLUX, "num_attention_heads": 4}, num_layers=1, num_single_layers=0), 1
    )
    with pytest.raises(ModelError, match="another kind of Flux than tiny Flux"):
        await run(flux, as_node, control(opened(wide)))


def test_one_that_sees_a_mask_is_refused(opened: Any) -> None:
    network = SD3ControlNetModel(**SD3, sample_size=8, num_layers=1, extra_conditioning_channels=1)
    with pytest.raises(UnsupportedModel, match="ControlNet of an unknown shape"):
        opened(seeded(network, 7))
