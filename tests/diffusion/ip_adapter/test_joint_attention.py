"""Flux steered by pictures, against diffusers' FluxPipeline and against InstantX's published formula."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from bridge.diffusion import DiffusionModel, Network, Prompt, free
from bridge.diffusion.backbones.patches import to_latents, to_tokens
from bridge.diffusion.clip_vision import VisionTower, load_clip_vision
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import flow_schedule
from bridge.diffusion.ip_adapter import Emphasis, IPAdapter, add_image_prompt, embeds_of, load_ip_adapter
from bridge.diffusion.ip_adapter.joint_attention import HintedJointAttention, joint_attentions
from bridge.diffusion.look import Look, looking
from bridge.diffusion.types import StyleTokens
from bridge.errors import InputError, ModelError
from bridge.models import Family
from tests.diffusion.tiny_transformers import as_loaded, error, noise, seeded

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers'

TOLERANCE = 1e-5
Write = Callable[..., Path]
Run = Callable[..., Awaitable[Tensor]]
PICTURE = torch.rand(1, 28, 28, 3, generator=torch.Generator().manual_seed(3)).mul(255).round() / 255
"""As large as the tower reads it."""

NOISY = noise(2, 16, 4, 6, seed=3)
POSITIVE = Prompt(noise(1, 5, 12, seed=1), noise(1, 8, seed=2), guidance=None)
NEGATIVE = Prompt(noise(1, 5, 12, seed=8), noise(1, 8, seed=9), guidance=None)


@pytest.fixture
def flux() -> DiffusionModel:
    module = seeded(
        FluxTransformer2DModel(
            in_channels=64, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
            joint_attention_dim=12, pooled_projection_dim=8, axes_dims_rope=(4, 6, 6),
        )
    )  # fmt: skip
    shapes = {name: tuple(each.shape) for name, each in module.named_parameters()}
    network: Network[Any] = Network("tiny Flux", lambda placement: module, shapes)
    return DiffusionModel(network, flow_schedule(1.0), 1.0, 8, family=Family.FLUX)


@pytest.fixture
def run(as_node: Callable[[Any], Any]) -> Run:
    async def follow(
        model: DiffusionModel,
        negative: tuple[Prompt, ...] = (),
        guidance_scale: float = 1.0,
        positive: Prompt = POSITIVE,
    ) -> Tensor:
        async def steps() -> Tensor:
            denoiser = Denoiser(model, [positive], negative, guidance_scale, NOISY.shape)
            latents = NOISY
            for sigma, lower in pairwise((1.0, 0.7, 0.4, 0.0)):
                clean = await denoiser(latents, sigma)
                latents = clean + (latents - clean) * lower / sigma
            return latents

        finished: Tensor = await as_node(steps())
        return finished

    return follow


def steered(
    model: DiffusionModel, adapter: IPAdapter, vision: VisionTower, picture: Tensor = PICTURE, **emphasis: Any
) -> DiffusionModel:
    return add_image_prompt(model, adapter, *embeds_of(adapter, vision, picture), Emphasis(**emphasis))


async def test_xlabs_adapter_is_the_pipelines(
    flux: DiffusionModel, vision: VisionTower, write_xlabs: Write, run: Run, tmp_path: Path
) -> None:
    """With a negative prompt, for which both show the adapter a black picture."""
    file = write_xlabs()
    adapter = load_ip_adapter(file, "x")
    found = await run(steered(flux, adapter, vision, weight=0.6), (NEGATIVE,), 3.0)
    plain = await run(flux, (NEGATIVE,), 3.0)
    assert error(plain, found) > 1e-2

    vision.network.module().save_pretrained(tmp_path / "encoder")
    pipeline: Any = FluxPipeline(
        FlowMatchEulerDiscreteScheduler(), None, None, None, None, None, flux.unet.module()
    )
    free()  # diffusers changes its transformer in place
    pipeline.load_ip_adapter(
        str(tmp_path), weight_name=file.name, image_encoder_dtype=torch.float32, low_cpu_mem_usage=False,
        image_encoder_pretrained_model_name_or_path=str(tmp_path / "encoder"),
    )  # fmt: skip
    pipeline.set_ip_adapter_scale(0.6)
    pipeline.set_progress_bar_config(disable=True)
    tokens = pipeline(
        prompt_embeds=POSITIVE.prompt_embeds.expand(2, -1, -1),
        pooled_prompt_embeds=POSITIVE.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        negative_prompt_embeds=NEGATIVE.prompt_embeds.expand(2, -1, -1),
        negative_pooled_prompt_embeds=NEGATIVE.pooled_prompt_embeds.expand(2, -1),  # type: ignore[union-attr]
        true_cfg_scale=3.0, latents=to_tokens(NOISY, 2), height=32, width=48, sigmas=[1.0, 0.7, 0.4],
        ip_adapter_image=Image.fromarray((PICTURE[0] * 255).byte().numpy()), output_type="latent",
    ).images  # fmt: skip
    assert error(found, to_latents(tokens, 2, 2)) < TOLERANCE


class PublishedProcessor(FluxAttnProcessor):
    """InstantX's: what a picture says is found by the unrotated queries, and joins before the last layer."""

    def __init__(self, tokens: Tensor, layer: dict[str, Tensor], scale: float) -> None:
        super().__init__()
        self.tokens, self.layer, self.scale = tokens, layer, scale

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, *rest: Any, **named: Any
    ) -> Any:
        made = super().__call__(attn, hidden_states, encoder_hidden_states, *rest, **named)
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, -1)))
        key, value = (
            torch.stack(
                [
                    each / (each.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt()
                    for each in linear(self.tokens, self.layer[f"to_{part}_ip.weight"]).chunk(attn.heads, -1)
                ],
                dim=1,
            )
            for part in "kv"
        )
        rows = len(hidden_states)
        said = scaled_dot_product_attention(
            query.transpose(1, 2), *(each.expand(rows, -1, -1, -1) for each in (key, value))
        )
        said = self.scale * said.transpose(1, 2).flatten(2)
        if encoder_hidden_states is None:
            return made + said
        return made[0] + linear(said, attn.to_out[0].weight), made[1]


async def test_instantx_adapter_is_the_published_formula(
    flux: DiffusionModel, siglip: VisionTower, write_instantx: Write, run: Run
) -> None:
    file = write_instantx()
    adapter = load_ip_adapter(file, "x")
    found = await run(steered(flux, adapter, siglip, weight=0.7))
    assert error(await run(flux), found) > 1e-2
    free()

    state = load_file(file)
    pooled = siglip.network.module()(2 * PICTURE.movedim(-1, 1) - 1).pooler_output
    inner = linear(pooled, state["image_proj.proj.0.weight"], state["image_proj.proj.0.bias"])
    tokens = linear(
        torch.nn.functional.gelu(inner), state["image_proj.proj.2.weight"], state["image_proj.proj.2.bias"]
    ).view(1, 6, 12)
    tokens = torch.nn.functional.layer_norm(
        tokens, (12,), state["image_proj.norm.weight"], state["image_proj.norm.bias"]
    )
    network = flux.unet.module()
    for index, block in enumerate((*network.transformer_blocks, *network.single_transformer_blocks)):
        prefix = f"ip_adapter.{index}."
        layer = {name.removeprefix(prefix): each for name, each in state.items() if name.startswith(prefix)}
        block.attn.processor = PublishedProcessor(tokens, layer, 0.7)
    assert error(found, await run(flux)) < TOLERANCE


async def test_both_kinds_speak_in_one_network(
    flux: DiffusionModel,
    vision: VisionTower,
    siglip: VisionTower,
    write_xlabs: Write,
    write_instantx: Write,
    run: Run,
) -> None:
    """In whichever order they are put in; the base stays as it was."""
    first, second = load_ip_adapter(write_xlabs(), "x"), load_ip_adapter(write_instantx(), "i")
    before = await run(flux)
    forth = await run(steered(steered(flux, first, vision), second, siglip))
    back = await run(steered(steered(flux, second, siglip), first, vision))
    assert error(forth, back) < TOLERANCE
    assert error(forth, await run(steered(flux, second, siglip))) > 1e-3
    assert torch.equal(await run(flux), before)


async def test_they_speak_in_bfloat16(
    flux: DiffusionModel,
    vision: VisionTower,
    siglip: VisionTower,
    write_xlabs: Write,
    write_instantx: Write,
    run: Run,
    as_on_ampere: Callable[[], None],
) -> None:
    """Beside Redux, whose tokens weigh less."""
    first, second = load_ip_adapter(write_xlabs(), "x"), load_ip_adapter(write_instantx(), "i")
    model = steered(steered(as_loaded(flux), first, vision), second, siglip)
    positive = replace(POSITIVE, style_tokens=(StyleTokens(range(3, 5), 0.5),))
    exact = await run(model, positive=positive)
    as_on_ampere()
    assert 0 < error(await run(model, positive=positive), exact) < 0.1
    for adapter in (first, second):
        assert {each.dtype for each in adapter.network.module().parameters()} == {torch.bfloat16}


@pytest.mark.parametrize("kind", ["double", "single"])
def test_without_hints_the_attention_is_diffusers(flux: DiffusionModel, kind: str) -> None:
    network = flux.unet.module()
    is_single = kind == "single"
    block = (network.single_transformer_blocks if is_single else network.transformer_blocks)[0]
    places = torch.cat((torch.zeros(5, 3), torch.rand(6, 3, generator=torch.Generator().manual_seed(1)) * 9))
    inputs = {
        "hidden_states": noise(2, 11 if is_single else 6, 32, seed=1),
        "encoder_hidden_states": None if is_single else noise(2, 5, 32, seed=2),
        "attention_mask": noise(1, 1, 11, 11, seed=3),
        "image_rotary_emb": network.pos_embed(places),
    }
    theirs = block.attn(**inputs)
    with looking(Look(1.0, (False,), 4, 6, 5)):
        found = HintedJointAttention(())(block.attn, **inputs)
    for each, expected in zip(*((found, theirs) if not is_single else ([found], [theirs])), strict=True):
        torch.testing.assert_close(each, expected, atol=1e-5, rtol=1e-5)


async def test_a_picture_speaks_in_its_part_of_the_schedule_only(
    flux: DiffusionModel, vision: VisionTower, write_xlabs: Write, run: Run
) -> None:
    adapter = load_ip_adapter(write_xlabs(), "x")
    early = await run(steered(flux, adapter, vision, end=0.2))
    late = await run(steered(flux, adapter, vision, start=0.99))
    assert error(late, await run(flux)) < 1e-6
    assert error(early, late) > 1e-3
    assert error(early, await run(steered(flux, adapter, vision))) > 1e-3


async def test_a_mask_leaves_the_rest_to_the_words(
    flux: DiffusionModel,
    vision: VisionTower,
    siglip: VisionTower,
    write_xlabs: Write,
    write_instantx: Write,
    run: Run,
) -> None:
    left = torch.zeros(1, 32, 48)
    left[..., :16] = 1.0
    plain = await run(flux)
    for adapter, tower in (
        (load_ip_adapter(write_xlabs(), "x"), vision),
        (load_ip_adapter(write_instantx(), "i"), siglip),
    ):
        whole = await run(steered(flux, adapter, tower))
        part = await run(steered(flux, adapter, tower, mask=left))
        change = (part - plain).abs().mean(dim=(0, 1, 2))
        assert change[:2].mean() > 2 * change[4:].mean()
        assert error(part, plain) < error(whole, plain)


def test_under_a_mask_prompt_and_references_hear_nothing(
    flux: DiffusionModel, siglip: VisionTower, write_instantx: Write
) -> None:
    """In layers that treat words and picture together: five tokens, six places, two of a reference."""
    adapter = load_ip_adapter(write_instantx(), "i")
    changed = steered(flux, adapter, siglip, mask=torch.ones(1, 32, 48)).unet.module()
    states, look = noise(2, 13, 32, seed=1), Look(1.0, (False, True), 4, 6, 5)
    angles = flux.unet.module().pos_embed(torch.zeros(13, 3))
    path = joint_attentions(flux.unet.shapes, "instantx")[2].path
    before = flux.unet.module().get_submodule(path)(states, image_rotary_emb=angles)
    with looking(look):
        after = changed.get_submodule(path)(states, image_rotary_emb=angles)
    change = (after - before).abs().amax(dim=(0, 2))
    assert (change > 1e-3).tolist() == [*[False] * 5, *[True] * 6, *[False] * 2]


async def test_redux_and_an_adapter_speak_together(
    flux: DiffusionModel, vision: VisionTower, write_xlabs: Write, run: Run
) -> None:
    """A token without attention is as good as none, whatever the adapter says."""
    model = steered(flux, load_ip_adapter(write_xlabs(), "x"), vision)
    more = torch.cat((POSITIVE.prompt_embeds, noise(1, 2, 12, seed=6)), dim=1)
    unseen = replace(POSITIVE, prompt_embeds=more, style_tokens=(StyleTokens(range(5, 7), 0.0),))
    assert error(await run(model, positive=unseen), await run(model)) < TOLERANCE


async def test_weights_ease_over_the_layers(
    flux: DiffusionModel, vision: VisionTower, write_xlabs: Write, run: Run
) -> None:
    adapter = load_ip_adapter(write_xlabs(), "x")
    whole = await run(steered(flux, adapter, vision))
    for weight_type in ("ease in", "ease out"):
        assert error(await run(steered(flux, adapter, vision, weight_type=weight_type)), whole) > 1e-3


def test_what_is_made_for_unets_is_refused(
    flux: DiffusionModel, vision: VisionTower, write_xlabs: Write
) -> None:
    adapter = load_ip_adapter(write_xlabs(), "x")
    for weight_type in ("weak input", "style transfer", "composition precise"):
        with pytest.raises(InputError, match=f'"{weight_type}" is made for the parts of a UNet') as caught:
            steered(flux, adapter, vision, weight_type=weight_type)
        assert "linear" in caught.value.hint
    with pytest.raises(InputError, match="reckons with the widths of a UNet"):
        steered(flux, adapter, vision, scaling="K+V w/ C penalty")


def test_adapters_and_models_of_unlike_families_are_refused(
    flux: DiffusionModel, model: DiffusionModel, vision: VisionTower, write_xlabs: Write, write_adapter: Write
) -> None:
    mine, others = load_ip_adapter(write_xlabs(), "x"), load_ip_adapter(write_adapter(), "unet's")
    for checkpoint, adapter, made_for, is_ in (
        (flux, others, "prompt embeddings of width 16", "Flux"),
        (model, mine, "Flux", model.family.value),
        (replace(flux, family=Family.SD3), mine, "Flux", "Stable Diffusion 3"),
        (replace(flux, family=Family.PIXART_SIGMA), mine, "Flux", "PixArt-Σ"),
    ):
        with pytest.raises(ModelError, match=f"was made for {made_for}, .* is {is_}") as caught:
            steered(checkpoint, adapter, vision)
        assert caught.value.code == "model_mismatch"
    with pytest.raises(ModelError, match=r"made for Flux, tiny Flux is a Flux of other layers"):
        steered(flux, load_ip_adapter(write_xlabs(layers=3), "x"), vision)


def test_another_tower_is_refused_with_both_named(
    flux: DiffusionModel,
    vision: VisionTower,
    siglip: VisionTower,
    write_siglip: Write,
    write_instantx: Write,
    write_xlabs: Write,
) -> None:
    for adapter, tower, needs, gives in (
        (load_ip_adapter(write_instantx(), "i"), vision, 64, 32),
        (load_ip_adapter(write_xlabs(), "x"), siglip, 24, 64),
    ):
        with pytest.raises(ModelError, match=f"width {needs} .* gives {gives}") as caught:
            steered(flux, adapter, tower)
        assert caught.value.code == "model_mismatch"
    tower = load_clip_vision(write_siglip(has_head=False), "headless")
    with pytest.raises(ModelError, match='"headless" lacks its head') as caught:
        steered(flux, load_ip_adapter(write_instantx(), "i"), tower)
    assert caught.value.code == "model_incomplete"
