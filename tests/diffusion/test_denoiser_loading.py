"""Transformers from files and folders, in every style and precision."""

import json
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel, PixArtTransformer2DModel, SD3Transformer2DModel
from diffusers.loaders.single_file_utils import convert_sd3_transformer_checkpoint_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import DiffusionModel, Prompt, load_autoencoder, load_checkpoint, load_denoiser
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.flow import FlowSchedule
from bridge.diffusion.networks import autoencoder_config, empty_autoencoder, latent_channels
from bridge.diffusion.patching import exact_weights, patched
from bridge.diffusion.storage import exact_state
from bridge.errors import ModelError, UnsupportedModel
from bridge.models import AutoencoderLayout, Family
from tests.diffusion.tiny_transformers import error
from tests.diffusion.transformer_weights import SMALL, original_state, small_transformer

UNET = "model.diffusion_model."
NARROW = [torch.float8_e4m3fn, torch.float8_e5m2]
LATENTS = {
    "sd3": (1.5305, 0.0609), "flux_dev": (0.3611, 0.1159), "pixart_alpha": (0.18215, 0.0),
    "pixart_sigma": (0.13025, 0.0),
}  # fmt: skip


def write(file: Path, state: Mapping[str, Tensor]) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, file)
    return file


def halves(module: Any) -> Any:
    """Round to float16, so that files of either precision hold the same numbers."""
    for tensor in module.state_dict().values():
        tensor.copy_(tensor.half().float())
    return module


class Third:
    """A patch that takes a third of a weight, or another part."""

    label = "a third"

    def __init__(self, name: str, divisor: float = 3.0) -> None:
        self.names = [name]
        self.divisor = divisor

    def changes(self) -> Mapping[str, Any]:
        return {name: lambda weight: weight / self.divisor for name in self.names}


def called(module: Any, name: str) -> Tensor:
    """What a small transformer says of noise."""
    given: dict[str, Any] = {"encoder_hidden_states": noise(1, 5, 32), "timestep": torch.tensor([0.5])}
    match name:
        case "flux_dev":
            given |= {"hidden_states": noise(1, 16, 64), "pooled_projections": noise(1, 24)}
            given |= {"img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(5, 3)}
            given |= {"guidance": torch.tensor([3.5])}
        case "sd35":
            given |= {"hidden_states": noise(1, 16, 8, 8), "pooled_projections": noise(1, 48)}
        case _:
            sizes = {"resolution": torch.tensor([[64.0, 64.0]]), "aspect_ratio": torch.tensor([[1.0]])}
            given |= {"hidden_states": noise(1, 4, 8, 8), "added_cond_kwargs": sizes}
    result: Tensor = module(**given).sample
    return result


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def assert_same(module: Any, expected: Mapping[str, Tensor]) -> None:
    state = module.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(state[name].float(), tensor.float(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "style"),
    [
        *((name, "original") for name in SMALL),
        *product(("sd35", "flux_dev", "pixart_alpha"), ("prefixed", "diffusers", "folder")),
    ],
)
def test_a_transformer_in_any_style(tmp_path: Path, name: str, style: str) -> None:
    layout, family = SMALL[name]
    network = halves(small_transformer(layout))
    state = network.state_dict()
    place = tmp_path / "any.safetensors"
    match style:
        case "original":
            write(place, {key: each.half() for key, each in original_state(state, layout).items()})
        case "prefixed":
            write(place, {UNET + key: each for key, each in original_state(state, layout).items()})
        case "diffusers":
            write(place, state)
        case _:
            place = tmp_path / "model"
            network.save_pretrained(place / "transformer")
    model = load_denoiser(place, "any")
    assert model.family is family
    assert not model.unet.is_loaded
    assert_same(model.unet.module(), state)


def test_sd3_equals_diffusers_own_conversion(tmp_path: Path) -> None:
    layout, _ = SMALL["sd35"]
    original = original_state(small_transformer(layout).state_dict(), layout)
    expected = convert_sd3_transformer_checkpoint_to_diffusers(dict(original))
    assert_same(load_denoiser(write(tmp_path / "sd35", original), "sd35").unet.module(), expected)


def test_pixart_gets_the_positions_that_diffusers_computes(tmp_path: Path) -> None:
    layout, _ = SMALL["pixart_sigma"]
    network = small_transformer(layout)
    loaded = load_denoiser(write(tmp_path / "sigma", network.state_dict()), "sigma").unet.module()
    whole = PixArtTransformer2DModel.from_config(loaded.config)
    torch.testing.assert_close(loaded.pos_embed.pos_embed, whole.pos_embed.pos_embed)
    assert loaded.pos_embed.pos_embed.shape == (1, 64 * 64, layout.width)


@pytest.mark.parametrize(
    ("name", "steps"), [("sd3", (1000, 0.003)), ("flux_schnell", (1000, 0.001)), ("flux_dev", (10_000, None))]
)
def test_flows_have_their_familys_levels(tmp_path: Path, name: str, steps: tuple[int, float | None]) -> None:
    layout, _ = SMALL[name]
    file = write(tmp_path / name, small_transformer(layout).state_dict())
    schedule = load_denoiser(file, name).schedule
    assert isinstance(schedule, FlowSchedule)
    assert len(schedule.sigmas) == steps[0]
    # Esser et al. 2024, eq. 23, at the first of even levels; e^1.15 for Flux dev.
    shift = {"sd3": 3.0, "flux_schnell": 1.0, "flux_dev": 2.718281828459045**1.15}[name]
    first = 1 / steps[0]
    assert schedule.sigma_min == pytest.approx(shift * first / (1 + (shift - 1) * first))
    assert schedule.sigma_max == 1.0


def test_pixart_has_linear_betas(tmp_path: Path) -> None:
    layout, _ = SMALL["pixart_alpha"]
    schedule = load_denoiser(
        write(tmp_path / "alpha", small_transformer(layout).state_dict()), "alpha"
    ).schedule
    alphas = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64), 0)
    torch.testing.assert_close(schedule.sigmas, ((1 - alphas) / alphas).sqrt().float())


@pytest.mark.parametrize("name", LATENTS)
def test_latents_are_shifted_and_scaled_as_in_the_family(tmp_path: Path, name: str) -> None:
    layout, _ = SMALL[name]
    model = load_denoiser(write(tmp_path / name, small_transformer(layout).state_dict()), name)
    assert (model.scaling_factor, model.shift_factor) == LATENTS[name]


@pytest.mark.parametrize("name", ["sd35", "flux_dev", "pixart_alpha"])
async def test_it_computes_in_bfloat16_where_the_chip_has_it(
    tmp_path: Path, as_node: Callable[[Any], Any], as_on_ampere: Callable[[], None], name: str
) -> None:
    layout, _ = SMALL[name]
    state = {key: each.half() for key, each in small_transformer(layout).state_dict().items()}
    model = load_denoiser(write(tmp_path / name, state), name)
    exact = await look(model, as_node)
    as_on_ampere()
    found = await look(model, as_node)
    assert 0 < error(found, exact) < 0.1
    assert {each.dtype for each in model.unet.module().parameters()} == {torch.bfloat16}


async def look(model: DiffusionModel, as_node: Callable[[Any], Any]) -> Tensor:
    """What a small model sees in noise."""
    noisy = noise(1, latent_channels(model.family), 8, 8)
    prompt = Prompt(noise(1, 5, 32), noise(1, 24 if model.family is Family.FLUX else 48))
    seen: Tensor = await as_node(Denoiser(model, [prompt], [], 1.0, noisy.shape)(noisy, 0.7))
    return seen


@pytest.mark.parametrize("name", ["sd3", "flux_dev", "pixart_alpha"])
def test_what_a_network_takes_is_known_before_it_is_read(tmp_path: Path, name: str) -> None:
    layout, _ = SMALL[name]
    network = load_denoiser(write(tmp_path / name, small_transformer(layout).state_dict()), name).unet
    planned = network.new_bytes
    network.module()
    assert network.weight_bytes == planned


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("name", ["sd35", "flux_dev", "pixart_alpha"])
def test_a_file_in_eight_bits_stays_so_and_gives_its_numbers(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    layout, _ = SMALL[name]
    network = small_transformer(layout)
    wide = {key: each.to(dtype).float() for key, each in network.state_dict().items()}
    original = original_state(wide, layout)
    narrow = write(tmp_path / "narrow", {key: each.to(dtype) for key, each in original.items()})
    small = load_denoiser(narrow, "narrow").unet
    for key, tensor in small.module().state_dict().items():
        assert torch.equal(tensor.float(), wide[key]), key
    assert small.module().dtype == torch.float32
    full = load_denoiser(write(tmp_path / "wide", original), "wide").unet
    assert small.bytes_of(small.shapes) < 0.4 * full.bytes_of(full.shapes)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["sd35", "flux_dev", "pixart_alpha"])
def test_a_file_in_16_bits_rests_so_and_computes_the_same(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    layout, _ = SMALL[name]
    original = {
        key: each.to(dtype)
        for key, each in original_state(small_transformer(layout).state_dict(), layout).items()
    }
    half = load_denoiser(write(tmp_path / "half", original), "half").unet
    wide = {key: each.float() for key, each in original.items()}
    full = load_denoiser(write(tmp_path / "full", wide), "full").unet
    assert half.module().dtype == torch.float32
    assert half.new_bytes == half.weight_bytes
    assert sum(half.layers.values()) < 0.6 * sum(full.layers.values())
    found, expected = (called(network.module(), name) for network in (half, full))
    assert torch.equal(found, expected)


def test_what_changes_a_file_in_16_bits_is_not_rounded(tmp_path: Path) -> None:
    layout, _ = SMALL["flux_dev"]
    state = {key: each.half() for key, each in small_transformer(layout).state_dict().items()}
    half = load_denoiser(write(tmp_path / "half", state), "half").unet
    name = "transformer_blocks.0.ff.net.2.weight"
    third = patched(half, Third(name))
    assert torch.equal(third.module().get_parameter(name), state[name].float() / 3)
    assert third.new_bytes == 4 * state[name].numel()


@pytest.mark.parametrize("spelling", ["scale_weight", "weight_scale"])
def test_weights_with_scales_are_multiplied(tmp_path: Path, spelling: str) -> None:
    layout, _ = SMALL["flux_dev"]
    original = original_state(small_transformer(layout).state_dict(), layout)
    key = "single_blocks.0.linear1.weight"
    scaled: dict[str, Tensor] = {
        **original,
        key: (original[key] * 8).to(torch.float8_e4m3fn),
        f"single_blocks.0.linear1.{spelling}": torch.tensor(0.125),
        "scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn),
    }
    network = load_denoiser(write(tmp_path / "scaled", scaled), "scaled").unet
    layer = network.module().single_transformer_blocks[0].attn.to_q
    assert layer.weight.dtype == torch.float8_e4m3fn
    exact = scaled[key].float()[: layout.width] / 8
    x = noise(3, layout.width)
    assert torch.equal(layer(x), torch.nn.functional.linear(x, exact, layer.bias))
    assert network.new_bytes == network.weight_bytes - 4 * 4  # the scales of the four parts of a layer

    name = "single_transformer_blocks.0.attn.to_q.weight"
    third = patched(network, Third(name))
    torch.testing.assert_close(exact_weights(third)(name), exact / 3)
    changed = third.module().single_transformer_blocks[0].attn.to_q
    torch.testing.assert_close(changed(x) - layer.bias, (layer(x) - layer.bias) / 3, rtol=0.1, atol=0.1)
    torch.testing.assert_close(exact_state(network.module())[name], exact, rtol=0, atol=0)


def test_what_leaves_the_range_of_eight_bits_is_cut_off(tmp_path: Path) -> None:
    layout, _ = SMALL["flux_dev"]
    state = {
        key: each.to(torch.float8_e4m3fn) for key, each in small_transformer(layout).state_dict().items()
    }
    network = load_denoiser(write(tmp_path / "narrow", state), "narrow").unet
    name = "transformer_blocks.0.ff.net.2.weight"
    large = patched(network, Third(name, 1e-6)).module().get_parameter(name)
    assert large.dtype == torch.float8_e4m3fn
    assert float(large.float().abs().max()) == 448.0


@pytest.mark.parametrize("spelling", ["scale_weight", "weight_scale"])
def test_a_scale_for_each_row_is_refused(tmp_path: Path, spelling: str) -> None:
    layout, _ = SMALL["flux_dev"]
    state = original_state(small_transformer(layout).state_dict(), layout)
    name = "double_blocks.0.img_attn.proj"
    state[f"{name}.weight"] = state[f"{name}.weight"].to(torch.float8_e4m3fn)
    with pytest.raises(UnsupportedModel, match=f'proj.{spelling}" has 64 scales for one weight') as caught:
        load_denoiser(write(tmp_path / "flux", {**state, f"{name}.{spelling}": torch.ones(64)}), "flux")
    assert "16 bits" in caught.value.hint


@pytest.mark.parametrize("dtype", NARROW)
def test_numbers_that_are_none_are_found_in_eight_bits(tmp_path: Path, dtype: torch.dtype) -> None:
    layout, _ = SMALL["flux_dev"]
    original = original_state(small_transformer(layout).state_dict(), layout)
    broken = original["img_in.weight"].clone()
    broken[0, 0] = float("nan")
    file = write(tmp_path / "broken", {**original, "img_in.weight": broken.to(dtype)})
    with pytest.raises(ModelError, match=r'no numbers, in "img_in\.weight"'):
        load_denoiser(file, "broken").unet.module()


@pytest.mark.parametrize("storage", ["fp8_e4m3fn", "fp8_e5m2"])
@pytest.mark.parametrize("name", ["sd3", "flux_dev", "pixart_sigma"])
def test_eight_bits_on_demand(tmp_path: Path, name: str, storage: Any) -> None:
    layout, _ = SMALL[name]
    file = write(tmp_path / name, small_transformer(layout).state_dict())
    module = load_denoiser(file, name, storage).unet.module()
    assert module.dtype == torch.float32
    kinds = {each.dtype for each in module.parameters()}
    assert torch.float32 in kinds
    assert len(kinds) == 2
    if name == "sd3":  # positions are no weights
        assert torch.equal(module.pos_embed.pos_embed, small_transformer(layout).pos_embed.pos_embed)


def tiny_vae() -> Any:
    layout = AutoencoderLayout((32, 32, 32, 32), 1, 16, has_quant_convs=False)
    vae = empty_autoencoder(autoencoder_config(layout)).to_empty(device="cpu")
    for seed, parameter in enumerate(vae.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
    return vae


@pytest.mark.parametrize(
    ("name", "prefix"),
    [("sd3", "first_stage_model."), ("flux_dev", "vae."), ("flux_dev", "first_stage_model.")],
)
def test_a_checkpoint_brings_its_vae(tmp_path: Path, ldm: Any, name: str, prefix: str) -> None:
    layout, family = SMALL[name]
    vae = tiny_vae()
    parts = {
        UNET: original_state(small_transformer(layout).state_dict(), layout),
        prefix: ldm.autoencoder_state(vae),
    }
    file = write(
        tmp_path / name, {start + key: each for start, part in parts.items() for key, each in part.items()}
    )
    model, clip, found = load_checkpoint(file, name)
    assert model.family is clip.family is family
    assert (found.latent_channels, model.vae) == (16, found)
    assert_same(found.network.module(), vae.state_dict())
    assert_same(load_autoencoder(file, name).network.module(), vae.state_dict())
    with pytest.raises(ModelError, match="brings no text encoder"):
        clip.towers[0].network.module()


def test_a_vae_of_sixteen_channels_loads_from_a_folder(tmp_path: Path) -> None:
    vae = tiny_vae()
    vae.save_pretrained(tmp_path / "vae")
    edited = json.loads((tmp_path / "vae" / "config.json").read_text()) | {"shift_factor": 0.1159}
    (tmp_path / "vae" / "config.json").write_text(json.dumps(edited))
    assert load_autoencoder(tmp_path, "flux").latent_channels == 16


@pytest.mark.parametrize("name", ["sd35", "flux_dev", "pixart_alpha"])
@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_damaged_tensor_is_named(tmp_path: Path, name: str, damage: str) -> None:
    layout, _ = SMALL[name]
    original = original_state(small_transformer(layout).state_dict(), layout)
    key = next(key for key in original if "qkv.weight" in key)
    lost = original.pop(key)
    if damage == "short":
        original[key] = lost[:-1]
    with pytest.raises(ModelError, match=key.replace(".", r"\.")) as caught:
        load_denoiser(write(tmp_path / "damaged", original), "damaged")
    assert caught.value.code == "model_corrupt"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: {**state, "distilled_guidance_layer.in_proj.bias": torch.zeros(1)}, "Chroma"),
        (lambda state: {**state, "img_in.weight.absmax": torch.zeros(1)}, "packed"),
    ],
)
def test_what_no_network_can_run_is_refused_before_it_is_read(
    tmp_path: Path, change: Callable[[Any], Any], message: str
) -> None:
    layout, _ = SMALL["flux_dev"]
    state = original_state(small_transformer(layout).state_dict(), layout)
    with pytest.raises(UnsupportedModel, match=message):
        load_denoiser(write(tmp_path / "relative", change(state)), "relative")


def test_networks_are_diffusers_own(tmp_path: Path) -> None:
    kinds = {
        "sd3": SD3Transformer2DModel,
        "flux_fill": FluxTransformer2DModel,
        "pixart_alpha": PixArtTransformer2DModel,
    }
    for name, kind in kinds.items():
        file = write(tmp_path / name, small_transformer(SMALL[name][0]).state_dict())
        assert type(load_denoiser(file, name).unet.module()) is kind
