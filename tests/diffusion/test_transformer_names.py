"""Names of the original code of transformers, against diffusers' own converters and ComfyUI's numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_flux_transformer_checkpoint_to_diffusers,
    convert_sd3_transformer_checkpoint_to_diffusers,
)
from safetensors.torch import save_file

from bridge.diffusion import load_denoiser
from bridge.diffusion.transformer_names import transformer_places
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.models import FluxLayout, PixArtLayout, SD3Layout
from tests.diffusion.transformer_weights import PUBLISHED, SMALL, original_state, small_transformer

CONVERTERS = {
    SD3Layout: convert_sd3_transformer_checkpoint_to_diffusers,
    FluxLayout: convert_flux_transformer_checkpoint_to_diffusers,
}


@pytest.mark.parametrize("name", [name for name, (each, _) in PUBLISHED.items() if type(each) in CONVERTERS])
def test_names_and_shares_are_those_of_diffusers_converters(name: str) -> None:
    """At full width, on which Flux's converter insists, with matrices of one column."""
    published, _ = PUBLISHED[name]
    assert not isinstance(published, PixArtLayout)
    layout = replace(published, depth=2)
    if isinstance(layout, FluxLayout):
        layout = replace(layout, single_depth=2)
    elif layout.dual_layers:
        layout = replace(layout, dual_layers=(0,))
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn((*tensor.shape[:1], *(1,) * (tensor.ndim - 1)), generator=generator)
        for name, tensor in empty_transformer(layout).state_dict().items()
    }
    original = {f"model.diffusion_model.{key}": each for key, each in original_state(state, layout).items()}
    converted = CONVERTERS[type(layout)](original)
    assert converted.keys() == state.keys()
    assert not original
    for key, tensor in state.items():
        assert torch.equal(converted[key], tensor), key


def test_pixart_shares_its_matrices() -> None:
    layout, _ = PUBLISHED["pixart_alpha"]
    query, key, value = (
        transformer_places(f"transformer_blocks.3.attn1.to_{letter}.weight", layout)[0] for letter in "qkv"
    )
    assert {place.name for place in (query, key, value)} == {"blocks.3.attn.qkv.weight"}
    assert [place.rows for place in (query, key, value)] == [(0, 1, 3), (1, 2, 3), (2, 3, 3)]
    value = transformer_places("transformer_blocks.3.attn2.to_v.bias", layout)[0]
    assert (value.name, value.rows) == ("blocks.3.cross_attn.kv_linear.bias", (1, 2, 2))


@pytest.mark.parametrize("name", ["pixart_alpha", "pixart_sigma"])
def test_pixart_gives_comfyuis_numbers_for_what_a_file_holds(tmp_path: Path, name: str) -> None:
    """Its own module was given the same file; it keeps what each picture's size makes of positions."""
    layout, _ = SMALL[name]
    original = original_state(small_transformer(layout).state_dict(), layout)
    save_file(original, tmp_path / "file.safetensors")
    module = load_denoiser(tmp_path / "file.safetensors", name).unet.module()
    generator = torch.Generator().manual_seed(7)
    latents, prompt = (torch.randn(shape, generator=generator) for shape in ((1, 4, 64, 48), (1, 5, 32)))
    sizes = {"resolution": torch.tensor([[512.0, 384.0]]), "aspect_ratio": torch.tensor([[64 / 48]])}
    found = module(latents, prompt, torch.tensor([321.0]), sizes, return_dict=False)[0][:, :4, ::8, ::8]
    with np.load(Path(__file__).parent / "comfyui" / "pixart.npz") as numbers:
        torch.testing.assert_close(found, torch.from_numpy(numbers[name]), rtol=1e-4, atol=1e-5)
