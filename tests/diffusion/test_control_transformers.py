"""ControlNets of SD3 and Flux, opened from files and asked as diffusers' pipelines ask them."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetInpaintingPipeline,
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
    Placement,
    Prompt,
    add_control,
    load_controlnet,
    with_control_type,
    with_mask,
)
from bridge.diffusion.backbones.patches import to_latents, to_tokens
from bridge.diffusion.control_pictures import control_latents
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.noise import NoiseSource
from bridge.errors import InputError, ModelError
from bridge.models import Family
from tests.diffusion.tiny_transformers import SCALING, SHIFT, as_loaded, error, noise, seeded, tiny_vae

pytestmark = [  # diffusers' own
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`FluxPosEmbed` is deprecated:FutureWarning"),
]

TOLERANCE = 1e-5
SIGMAS = [1.0, 0.7, 0.4, 0.0]
STRENGTH = 0.6
WIDTHS = {"num_attention_heads": 2, "joint_attention_dim": 12, "pooled_projection_dim": 8}
FLUX = {**WIDTHS, "attention_head_dim": 32, "in_channels": 64, "axes_dims_rope": (4, 14, 14)}
SD3 = {**WIDTHS, "attention_head_dim": 64, "caption_projection_dim": 128, "pos_embed_max_size": 6}
PICTURE = torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(5))
SHOWN = PICTURE.movedim(-1, 1) * 2 - 1
"""The picture as autoencoders read it."""


NOISY = noise(2, 16, 4, 6, seed=3)
PROMPT = Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2))


@pytest.fixture(scope="module")
def vae() -> Any:
    return tiny_vae()


@pytest.fixture
def control(vae: Any) -> Callable[..., Control]:
    def make(network: ControlNetwork, **limits: Any) -> Control:
        own: Network[Any] = Network(
            "tiny VAE", lambda where: copy.deepcopy(vae).to(where.dtype), place=Placement.for_vae
        )
        return Control(network, PICTURE, STRENGTH, **{"vae": Autoencoder(own, 8, 16), **limits})

    return make


def tiny_flux(*, is_guided: bool) -> DiffusionModel:
    module = seeded(
        FluxTransformer2DModel(**FLUX, num_layers=3, num_single_layers=3, guidance_embeds=is_guided), 1
    )
    network: Network[Any] = Network("tiny Flux", lambda placement: module)
    return DiffusionModel(network, flow_schedule(1.0), SCALING, 8, family=Family.FLUX, shift_factor=SHIFT)


@pytest.fixture
def flux() -> DiffusionModel:
    return tiny_flux(is_guided=True)


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
        shown = await control_latents(model, conditioning, noisy.shape)
        denoiser = Denoiser(model, conditioning, (), 1.0, noisy.shape, control_latents=shown)
        solve = SAMPLERS["euler"].for_schedule(model.schedule)
        latents = noisy
        async for step in solve(denoiser, noisy, SIGMAS, NoiseSource(noisy, SIGMAS, 0)):
            latents = step.latents
        return latents

    finished: Tensor = await as_node(steps())
    return finished


def theirs(
    model: DiffusionModel, controlnet: Any, vae: Any, kind: Any = None, image: Tensor = SHOWN, **inputs: Any
) -> Tensor:
    """Run diffusers' pipeline."""
    scheduler, module = FlowMatchEulerDiscreteScheduler(shift=1.0), model.unet.module()
    is_flux = model.family is Family.FLUX
    if is_flux:
        pipeline = FluxControlNetPipeline(scheduler, vae, None, None, None, None, module, controlnet)
    else:
        pipeline = (kind or StableDiffusion3ControlNetPipeline)(
            module, scheduler, vae, None, None, None, None, None, None, controlnet
        )
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        prompt_embeds=PROMPT.prompt_embeds.expand(2, -1, -1),
        pooled_prompt_embeds=PROMPT.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        latents=to_tokens(NOISY, 2) if is_flux else NOISY, height=32, width=48, sigmas=SIGMAS[:-1],
        control_image=image, controlnet_conditioning_scale=STRENGTH,
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


async def test_one_for_dev_is_told_guidance_on_schnell(
    vae: Any, opened: Any, control: Any, as_node: Any
) -> None:
    schnell, network = tiny_flux(is_guided=False), flux_controlnet()
    expected = theirs(schnell, network, vae)
    assert error(await run(schnell, as_node, control(opened(network))), expected) < TOLERANCE


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
    with pytest.raises(InputError, match='does not know the type "segment"') as caught:
        with_control_type(union, "segment")
    assert "ProMax" not in caught.value.hint


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


async def test_all_of_a_step_is_in_bfloat16(
    flux: DiffusionModel,
    sd3: DiffusionModel,
    opened: Any,
    control: Any,
    as_node: Any,
    as_on_ampere: Callable[[], None],
) -> None:
    """Those that see latents, the picture, or no prompt."""
    config = {**SD3, "joint_attention_dim": None, "use_pos_embed": False, "pos_embed_type": None}
    promptless = seeded(SD3ControlNetModel(**config, num_layers=2, force_zeros_for_pooled_projection=False))
    seeing = flux_controlnet(single=0, conditioning_embedding_channels=16, patch_size=2)
    steps = [
        (as_loaded(flux), (control(opened(flux_controlnet())), control(opened(seeing), vae=None))),
        (
            as_loaded(sd3),
            (control(opened(sd3_controlnet(num_layers=2))), control(opened(stability(promptless, 2)))),
        ),
    ]
    exact = [await run(model, as_node, *controls) for model, controls in steps]
    as_on_ampere()
    for (model, controls), expected in zip(steps, exact, strict=True):
        assert 0 < error(await run(model, as_node, *controls), expected) < 0.1
        networks = model.unet, *(each.network.network for each in controls)
        for network in networks:
            assert {tensor.dtype for tensor in network.module().parameters()} == {torch.bfloat16}


async def test_several_add_up(flux: DiffusionModel, opened: Any, control: Any, as_node: Any) -> None:
    """Of unlike depths, in any order."""
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


def test_a_vae_of_other_latents_is_refused(opened: Any, control: Any) -> None:
    own: Network[Any] = Network("VAE of SDXL", lambda placement: torch.nn.Module())
    with pytest.raises(ModelError, match="latents of 16 channels, VAE of SDXL makes 4") as caught:
        add_control((PROMPT,), control(opened(sd3_controlnet(num_layers=1)), vae=Autoencoder(own, 8, 4)))
    assert "Connect the VAE" in caught.value.hint


def test_without_a_vae_it_says_what_to_do(opened: Any, control: Any) -> None:
    with pytest.raises(InputError, match="there is no VAE") as caught:
        add_control((PROMPT,), control(opened(flux_controlnet()), vae=None))
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


def sd3_controlnet(**config: Any) -> Any:
    return seeded(SD3ControlNetModel(**SD3, sample_size=8, **config), 7)


def mask() -> Tensor:
    """Mark whole latents, so that it does not matter how a mask is resized."""
    marked = torch.zeros(1, 32, 48)
    marked[:, 8:24, 16:] = 1.0
    return marked


async def test_a_run_of_sd3_with_a_mask_is_the_pipelines(
    sd3: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any
) -> None:
    """Diffusers shifts the latents that this one sees, ComfyUI does not."""
    network = sd3_controlnet(num_layers=2, extra_conditioning_channels=1)
    unshifted = tiny_vae()
    unshifted.register_to_config(shift_factor=0.0)
    kind = StableDiffusion3ControlNetInpaintingPipeline
    expected = theirs(sd3, network, unshifted, kind, control_mask=mask()[:, None])
    masked = with_mask(control(opened(network)), mask())
    assert error(await run(sd3, as_node, masked), expected) < TOLERANCE
    assert error(await run(sd3, as_node, control(opened(network))), expected) > 1e-3


async def test_blocks_that_cannot_be_shared_out_evenly_go_where_they_stand(
    sd3: DiffusionModel, opened: Any, control: Any, as_node: Any
) -> None:
    """As alimama's, of 23 blocks for 24: behind its own block goes each but the last."""
    network = sd3_controlnet(num_layers=3)
    made = await run(sd3, as_node, control(opened(network)))
    network.controlnet_blocks[2].weight.zero_()
    network.controlnet_blocks[2].bias.zero_()
    assert torch.equal(made, await run(sd3, as_node, control(opened(network))))
    network.controlnet_blocks[1].weight.zero_()
    assert error(await run(sd3, as_node, control(opened(network))), made) > 1e-3


def stability(network: Any, control_type: int) -> dict[str, Tensor]:
    """Name a ControlNet's tensors as Stability does."""
    renamed: dict[str, Tensor] = {"control_type": torch.tensor([control_type], dtype=torch.int32)}
    for name, tensor in network.state_dict().items():
        for old, new in (("norm1.linear", "adaLN_modulation.1"), ("attn.to_out.0", "attn.proj"),
                         ("ff.net.0.proj", "mlp.fc1"), ("ff.net.2", "mlp.fc2")):  # fmt: skip
            name = name.replace(old, new)
        renamed[name] = tensor
    for block in range(2):
        for kind in ("weight", "bias"):
            parts = [renamed.pop(f"transformer_blocks.{block}.attn.to_{letter}.{kind}") for letter in "qkv"]
            renamed[f"transformer_blocks.{block}.attn.qkv.{kind}"] = torch.cat(parts)
    return renamed


def places_of_sd3(rows: int, columns: int, width: int) -> Tensor:
    """Sines and cosines of where tokens are, from 0 to 15 along the shorter side; columns come first."""
    frequencies = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    reach = [7.5 * side / min(rows, columns) for side in (rows, columns)]
    down, across = (
        torch.linspace(7.5 - far, 7.5 + far, side, dtype=torch.float64)[:, None] * frequencies
        for far, side in zip(reach, (rows, columns), strict=True)
    )
    waves = [torch.cat((angles.sin(), angles.cos()), dim=1) for angles in (across, down)]
    across_all, down_all = waves[0].repeat(rows, 1), waves[1].repeat_interleave(columns, dim=0)
    return torch.cat((across_all, down_all), dim=1).float()


@pytest.mark.parametrize(
    ("control_type", "shown"),
    [(0, SHOWN), (1, 255 * (SHOWN + 1) / 2), (2, -SHOWN)],
    ids=["blurred", "edges", "depth"],
)
async def test_a_run_with_stabilitys_is_the_pipelines(
    sd3: DiffusionModel, vae: Any, opened: Any, control: Any, as_node: Any, control_type: int, shown: Tensor
) -> None:
    """Where diffusers agrees with ComfyUI: with its positions, and nothing to add behind the last block."""
    config = {**SD3, "joint_attention_dim": None, "use_pos_embed": False, "pos_embed_type": None}
    network = seeded(SD3ControlNetModel(**config, num_layers=2, force_zeros_for_pooled_projection=False), 7)
    positions = sd3.unet.module().pos_embed.pos_embed.reshape(6, 6, -1)
    positions[2:4, 1:4] = places_of_sd3(2, 3, 128).reshape(2, 3, -1)
    opened_now = opened(stability(network, control_type))
    complete = await run(sd3, as_node, control(opened_now))
    network.controlnet_blocks[1].weight.zero_()
    network.controlnet_blocks[1].bias.zero_()
    expected = theirs(sd3, network, vae, image=shown)
    network.pos_embed = None
    assert error(complete, expected) > 1e-3
    steered = await run(sd3, as_node, control(opened(stability(network, control_type))))
    assert error(steered, expected) < TOLERANCE


async def test_a_mask_is_seen_by_flux(flux: DiffusionModel, opened: Any, control: Any, as_node: Any) -> None:
    """With weights of 0 for it, what is left is a ControlNet that sees the blackened picture."""
    network = flux_controlnet()
    plain = network.controlnet_x_embedder
    network.controlnet_x_embedder = torch.nn.Linear(68, 64)
    state = network.state_dict()
    state["controlnet_x_embedder.weight"] = torch.cat((plain.weight, torch.zeros(64, 4)), dim=1)
    state["controlnet_x_embedder.bias"] = plain.bias
    masked = with_mask(control(opened(state)), mask())
    network.controlnet_x_embedder = plain
    black = replace(masked, network=opened(network))
    made = await run(flux, as_node, masked)
    assert error(made, await run(flux, as_node, black)) < TOLERANCE
    state["controlnet_x_embedder.weight"][:, 64:] = 1.0
    assert error(await run(flux, as_node, replace(masked, network=opened(state))), made) > 1e-3


async def test_it_works_between_two_noise_levels(
    flux: DiffusionModel, opened: Any, control: Any, as_node: Any
) -> None:
    """SIGMAS are fractions of the schedule, from its end."""
    network = opened(flux_controlnet())
    whole, nothing = await run(flux, as_node, control(network)), await run(flux, as_node)
    assert torch.equal(await run(flux, as_node, control(network, start=0.0, end=0.7)), whole)
    assert torch.equal(await run(flux, as_node, control(network, start=0.05, end=0.25)), nothing)
    middle = await run(flux, as_node, control(network, start=0.2, end=0.4))
    assert error(middle, whole) > 1e-4
    assert error(middle, nothing) > 1e-4
