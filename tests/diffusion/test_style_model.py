"""Style models: tokens from pictures, against torch's attention and diffusers, and their place in prompts."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from diffusers import FluxPriorReduxPipeline
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import Linear, MultiheadAttention
from torch.nn.functional import layer_norm, linear
from transformers import BatchFeature

from bridge.diffusion import Prompt
from bridge.diffusion.clip_vision import VisionOutput, encode_pictures, load_clip_vision
from bridge.diffusion.style_model import StrengthType, StyleNetwork, add_style, load_style_model
from bridge.diffusion.types import StyleTokens
from bridge.engine import Folders, Job, running
from bridge.errors import ModelError, Problem
from tests.diffusion import vision_weights

WIDTH, CONTEXT, TOKENS, LAYERS = 32, 12, 3, 2
SEEN = torch.randn(2, 5, WIDTH, generator=torch.Generator().manual_seed(1))
OUTPUT = VisionOutput(torch.empty(2, 4), SEEN, torch.empty(2, 5, WIDTH))
PROMPT = Prompt(torch.randn(1, 7, CONTEXT, generator=torch.Generator().manual_seed(2)))


@pytest.fixture(autouse=True)
def told(tmp_path: Path) -> Iterator[list[Problem]]:
    """The warnings of the node that runs."""
    warnings: list[Problem] = []
    with running(Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, ())), "1", warnings):
        yield warnings


@pytest.fixture
def stored() -> dict[str, Tensor]:
    """In the names of T2I-Adapter's file."""
    shapes: dict[str, tuple[int, ...]] = {"style_embedding": (1, TOKENS, WIDTH), "proj": (WIDTH, CONTEXT)}
    norms = ["ln_pre", "ln_post"]
    for layer in range(LAYERS):
        block = f"transformer_layes.{layer}"
        norms += [f"{block}.ln_1", f"{block}.ln_2"]
        shapes |= {
            f"{block}.attn.in_proj_weight": (3 * WIDTH, WIDTH), f"{block}.attn.in_proj_bias": (3 * WIDTH,),
            f"{block}.attn.out_proj.weight": (WIDTH, WIDTH), f"{block}.attn.out_proj.bias": (WIDTH,),
            f"{block}.mlp.c_fc.weight": (4 * WIDTH, WIDTH), f"{block}.mlp.c_fc.bias": (4 * WIDTH,),
            f"{block}.mlp.c_proj.weight": (WIDTH, 4 * WIDTH), f"{block}.mlp.c_proj.bias": (WIDTH,),
        }  # fmt: skip
    shapes |= {f"{norm}.{kind}": (WIDTH,) for norm in norms for kind in ("weight", "bias")}
    generator = torch.Generator().manual_seed(3)
    return {name: torch.randn(shape, generator=generator) / 4 for name, shape in shapes.items()}


@pytest.fixture
def style(stored: dict[str, Tensor], tmp_path: Path) -> StyleNetwork:
    save_file(stored, tmp_path / "style.safetensors")
    return load_style_model(tmp_path / "style.safetensors", "s")


def tokens_of(stored: dict[str, Tensor]) -> Tensor:
    """As the method's formulas have it, with torch's attention of several heads."""

    def norm(here: Tensor, name: str) -> Tensor:
        return layer_norm(here, (WIDTH,), stored[f"{name}.weight"], stored[f"{name}.bias"])

    here = norm(torch.cat((SEEN, stored["style_embedding"].expand(2, -1, -1)), dim=1), "ln_pre")
    for layer in range(LAYERS):
        block = f"transformer_layes.{layer}"
        attention = MultiheadAttention(WIDTH, 8, batch_first=True).eval()
        prefix = f"{block}.attn."
        attention.load_state_dict(
            {name.removeprefix(prefix): each for name, each in stored.items() if name.startswith(prefix)}
        )
        normed = norm(here, f"{block}.ln_1")
        here = here + attention(normed, normed, normed)[0]
        fc, proj = f"{block}.mlp.c_fc", f"{block}.mlp.c_proj"
        inner = linear(norm(here, f"{block}.ln_2"), stored[f"{fc}.weight"], stored[f"{fc}.bias"])
        inner = inner * torch.sigmoid(1.702 * inner)
        here = here + linear(inner, stored[f"{proj}.weight"], stored[f"{proj}.bias"])
    return norm(here[:, -TOKENS:], "ln_post") @ stored["proj"]


@pytest.mark.parametrize("strength", [1.0, 0.4, 0.0])
def test_the_tokens_of_all_pictures_follow_the_prompt(
    style: StyleNetwork, stored: dict[str, Tensor], strength: float
) -> None:
    [found] = add_style([PROMPT], style, OUTPUT, strength, "multiply")
    assert found.prompt_embeds.shape == (1, 7 + 2 * TOKENS, CONTEXT)
    torch.testing.assert_close(found.prompt_embeds[:, :7], PROMPT.prompt_embeds)
    expected = strength * tokens_of(stored).reshape(1, -1, CONTEXT)
    torch.testing.assert_close(found.prompt_embeds[:, 7:], expected, rtol=1e-4, atol=1e-5)


def test_attention_bias_leaves_the_tokens_and_says_so(style: StyleNetwork, told: list[Problem]) -> None:
    plain = add_style([PROMPT], style, OUTPUT, 1.0, "attn_bias")
    assert not told
    biased = add_style([PROMPT], style, OUTPUT, 0.4, "attn_bias")
    assert torch.equal(plain[0].prompt_embeds, biased[0].prompt_embeds)
    assert [problem.input_name for problem in told] == ["strength_type"]


def test_prompts_of_another_family_are_refused(style: StyleNetwork) -> None:
    with pytest.raises(ModelError, match=r"for Stable Diffusion 1\.x: .*width 12, .* have 16") as caught:
        add_style([Prompt(torch.zeros(1, 7, 16))], style, OUTPUT, 1.0, "multiply")
    assert caught.value.code == "model_mismatch"


def test_another_clip_vision_model_is_refused(style: StyleNetwork) -> None:
    other = VisionOutput(torch.empty(1, 4), torch.zeros(1, 5, 16), torch.empty(1, 5, 16))
    with pytest.raises(ModelError, match=r"width 32 \(OpenAI's ViT-L/14\), CLIP vision gave 16") as caught:
        add_style([PROMPT], style, other, 1.0, "multiply")
    assert "ViT-L/14" in str(caught.value.hint)


class Spread:
    """SigLIP's preprocessing of a picture that has the tower's size."""

    def preprocess(self, images: Tensor, **options: object) -> BatchFeature:
        return BatchFeature({"pixel_values": 2 * images - 1})


@pytest.fixture
def redux(tmp_path: Path) -> tuple[StyleNetwork, ReduxImageEncoder]:
    """In our hands and in those of diffusers' FluxPriorReduxPipeline."""
    torch.manual_seed(4)
    theirs = ReduxImageEncoder(redux_dim=WIDTH, txt_in_features=CONTEXT).eval().requires_grad_(False)
    save_file(theirs.state_dict(), tmp_path / "redux.safetensors")
    return load_style_model(tmp_path / "redux.safetensors", "r"), theirs


@pytest.mark.parametrize(("strength_type", "scale"), [("multiply", 0.4), ("attn_bias", 1.0)])
def test_redux_makes_diffusers_tokens_of_all_pictures(
    redux: tuple[StyleNetwork, ReduxImageEncoder],
    told: list[Problem],
    strength_type: StrengthType,
    scale: float,
) -> None:
    mine, theirs = redux
    [found] = add_style([PROMPT], mine, OUTPUT, 0.4, strength_type)
    torch.testing.assert_close(found.prompt_embeds[:, :7], PROMPT.prompt_embeds)
    expected = scale * theirs(SEEN).image_embeds.reshape(1, -1, CONTEXT)
    torch.testing.assert_close(found.prompt_embeds[:, 7:], expected, rtol=1e-4, atol=1e-5)
    assert not told


def test_redux_is_as_precise_as_flux(
    redux: tuple[StyleNetwork, ReduxImageEncoder], as_on_ampere: Callable[[], None]
) -> None:
    as_on_ampere()
    mine, theirs = redux
    [found] = add_style([PROMPT], mine, OUTPUT, 1.0, "multiply")
    assert mine.network.module().redux_up.weight.dtype == torch.bfloat16
    expected = theirs(SEEN).image_embeds.reshape(1, -1, CONTEXT)
    torch.testing.assert_close(found.prompt_embeds[:, 7:], expected, rtol=0.05, atol=0.01)


def test_from_picture_to_prompt_all_is_the_pipelines(tmp_path: Path) -> None:
    """FluxPriorReduxPipeline, whose words are zeros of the published width; its layers are narrower."""
    state = {name: torch.from_numpy(each) for name, each in vision_weights.siglip_state().items()}
    save_file(state, tmp_path / "siglip.safetensors")
    tower = load_clip_vision(tmp_path / "siglip.safetensors", "tiny SigLIP")
    torch.manual_seed(5)
    embedder = ReduxImageEncoder(redux_dim=vision_weights.WIDTH, txt_in_features=1)
    embedder.redux_up, embedder.redux_down = Linear(vision_weights.WIDTH, 8), Linear(8, 4096)
    save_file(embedder.state_dict(), tmp_path / "redux.safetensors")
    picture = torch.rand(1, 28, 28, 3).mul(255).round() / 255
    pipeline = FluxPriorReduxPipeline(tower.network.module(), Spread(), embedder)
    expected = pipeline(picture.movedim(-1, 1)).prompt_embeds
    seen = encode_pictures(tower, picture, crops=False)
    redux = load_style_model(tmp_path / "redux.safetensors", "r")
    [found] = add_style([Prompt(torch.zeros(1, 512, 4096))], redux, seen, 1.0, "multiply")
    torch.testing.assert_close(found.prompt_embeds, expected, rtol=1e-4, atol=1e-5)


def test_a_prompt_knows_which_tokens_are_whose(redux: tuple[StyleNetwork, ReduxImageEncoder]) -> None:
    conditioning = add_style([PROMPT], redux[0], OUTPUT, 0.4, "attn_bias")
    [found] = add_style(conditioning, redux[0], OUTPUT, 2.0, "multiply")
    assert found.style_tokens == (StyleTokens(range(7, 17), 0.4), StyleTokens(range(17, 27), 1.0))


def test_redux_needs_siglip(redux: tuple[StyleNetwork, ReduxImageEncoder]) -> None:
    other = VisionOutput(torch.empty(1, 4), torch.zeros(1, 5, 16), torch.empty(1, 5, 16))
    with pytest.raises(ModelError, match=r"SigLIP SO400M/14\), CLIP vision gave 16") as caught:
        add_style([PROMPT], redux[0], other, 1.0, "multiply")
    assert caught.value.code == "model_mismatch"
    assert "CLIPVisionLoader" in str(caught.value.hint)
