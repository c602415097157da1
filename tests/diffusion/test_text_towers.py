"""SD3's, Flux's and PixArt's prompts against ComfyUI's numbers; see comfyui/README.md."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion import (
    Prompt,
    TextEncoder,
    TextTower,
    encode_prompt,
    encode_prompts,
    set_last_layer,
    set_t5_length,
)
from bridge.models import Catalogue, Family, TowerKind

REFERENCE = np.load(Path(__file__).parent / "comfyui" / "prompts.npz")
TOLERANCE = 1e-4
"""Of the largest number; both run in float32, and differ by 2e-5 at most."""

TEXTS = {
    "plain": "a photo of a red house",
    "weights": "a (red:1.5) house, ((blue)) sky (dark:0.6)",
    "empty": "",
    "long": "a small cat sits on a wooden chair. " * 24,
    "embedding": "a embedding:style house",
    "signs": "Naïve  café\n“x” \\(y\\)",
}
APART = {
    "three": ("a cat", "a dog in the snow", "a sentence about a cat"),
    "no_t5": ("a cat", "a dog", ""),
    "no_l": ("", "a dog", "a sentence"),
    "no_clip": ("", "", "a sentence"),
    "nothing": ("", "", ""),
    "longer": ("a cat " * 90, "a dog", "a sentence"),
}


@pytest.fixture
def clips(make_tower: Callable[..., TextTower]) -> dict[str, TextEncoder]:
    clip_l, clip_g, t5 = make_tower(), make_tower("clip_g", projection=16, seed=1), make_tower("t5xxl")
    return {
        "sd3": TextEncoder((clip_l, clip_g, t5), Family.SD3),
        "flux": TextEncoder((clip_l, t5), Family.FLUX),
        "pixart": TextEncoder((t5,), Family.PIXART_SIGMA),
    }


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "embeddings").mkdir()
    vectors = {
        kind: torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
        for kind, count, width, seed in (("clip_l", 2, 16, 7), ("clip_g", 2, 16, 8), ("t5xxl", 3, 64, 9))
    }
    save_file(vectors, tmp_path / "embeddings" / "style.safetensors")
    return Catalogue([tmp_path])


def compare(name: str, prompt: Prompt) -> None:
    """Compare every token in two directions, and the pooled embedding."""
    for part, found in parts(prompt):
        expected = torch.from_numpy(REFERENCE[f"{name}/{part}"])
        assert found.shape == expected.shape, name
        assert float((found - expected).abs().max()) <= TOLERANCE * float(expected.abs().max()), name


def parts(prompt: Prompt) -> Iterator[tuple[str, Tensor]]:
    probe = torch.cos(torch.arange(prompt.prompt_embeds.shape[-1])[:, None] * torch.tensor([1.0, 2.5]))
    yield "embeds", prompt.prompt_embeds @ probe
    if prompt.pooled_prompt_embeds is not None:
        yield "pooled", prompt.pooled_prompt_embeds


@pytest.mark.parametrize("kind", ["sd3", "flux", "pixart"])
def test_prompts_are_comfyuis(clips: dict[str, TextEncoder], catalogue: Catalogue, kind: str) -> None:
    for name, text in TEXTS.items():
        prompt = encode_prompt(clips[kind], text, catalogue)
        compare(f"{kind}/{name}", prompt)
        assert (prompt.pooled_prompt_embeds is None) == (kind == "pixart")


@pytest.mark.parametrize("kind", ["sd3", "flux", "pixart"])
def test_an_earlier_layer_and_other_lengths_are_comfyuis(clips: dict[str, TextEncoder], kind: str) -> None:
    compare(f"{kind}/layer", encode_prompt(set_last_layer(clips[kind], -2), TEXTS["weights"]))
    compare(f"{kind}/options", encode_prompt(set_t5_length(clips[kind], 12, 3), TEXTS["plain"]))
    compare(f"{kind}/unfilled", encode_prompt(set_t5_length(clips[kind], 0, 0), TEXTS["weights"]))


@pytest.mark.parametrize("empty", ["none", "empty_prompt"])
def test_prompts_for_each_tower_of_sd3_are_comfyuis(clips: dict[str, TextEncoder], empty: str) -> None:
    for name, (clip_l, clip_g, t5) in APART.items():
        texts: dict[TowerKind, str] = {"clip_l": clip_l, "clip_g": clip_g, "t5xxl": t5}
        prompt = encode_prompts(clips["sd3"], texts, fills_empty=empty == "empty_prompt")
        compare(f"node/{empty}/{name}", prompt)


def test_prompts_for_each_tower_of_flux_are_comfyuis(clips: dict[str, TextEncoder]) -> None:
    compare("node/flux", encode_prompts(clips["flux"], {"clip_l": "a cat", "t5xxl": "a sentence"}))
