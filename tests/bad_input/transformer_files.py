"""Small models of SD3, Flux and PixArt as files; prompts and latents are as wide as published ones."""

from pathlib import Path

import ldm
import torch
from files import State, lora, noise, save_model, text_tower, with_weights
from transformer_weights import original_state, small_transformer

from bridge.diffusion import networks
from bridge.diffusion.t5 import empty_t5, t5_config
from bridge.diffusion.transformer_controlnets import empty_transformer_controlnet
from bridge.models import (
    AutoencoderLayout,
    Family,
    FluxLayout,
    PixArtLayout,
    SD3Layout,
    T5Layout,
    TransformerControlPart,
    TransformerLayout,
)

LAYOUTS: dict[str, TransformerLayout] = {
    "sd3": SD3Layout(2, 16, 16, 128, 2, 4096, 2048, 6),
    "flux": FluxLayout(64, 64, 64, 32, 1, 1, 4096, 768, is_guided=True),
    "pixart": PixArtLayout(2, 4, 8, 96, 1, 4096, takes_sizes=False),
}
VAE = AutoencoderLayout((32, 32, 32, 32), 1, 16, has_quant_convs=False)
T5 = T5Layout(vocabulary=2048, width=4096, inner_width=8, layers=1, heads=1, head_width=8, buckets=32)
"""Of the vocabulary only the tokens that prompts here have: all of them would take 260 MB."""

JOINT_QUERY, SINGLE_QUERY = "transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_q"


def write_transformers(root: Path) -> None:
    """Write transformers and what belongs to them below a models folder, beside what ``files`` writes."""
    denoisers = {
        name: original_state(small_transformer(each).state_dict(), each) for name, each in LAYOUTS.items()
    }
    vae = ldm.autoencoder_state(with_weights(networks.empty_autoencoder(networks.autoencoder_config(VAE))))
    clip_l, clip_g = text_tower(768), text_tower(1280)
    clip_g["text_projection.weight"] = torch.zeros(1280, 1280, dtype=torch.float16)
    t5 = with_weights(empty_t5(t5_config(T5))).half().state_dict()
    files = {f"diffusion_models/{name}": state for name, state in denoisers.items()} | {
        "diffusion_models/flux-fp8": _narrow(denoisers["flux"]),
        "checkpoints/sd3": _checkpoint(denoisers["sd3"], vae, clip_l=clip_l, clip_g=clip_g),
        "checkpoints/sd3-alone": _checkpoint(denoisers["sd3"], vae),
        "checkpoints/flux-in-part": _checkpoint(denoisers["flux"], vae, clip_l=clip_l),
        "vae/sixteen": vae,
        "text_encoders/clip_g": clip_g,
        "text_encoders/t5": t5,
        "text_encoders/t5-fp8": _narrow(t5),
        "controlnet/sd3": _controlnet(Family.SD3, LAYOUTS["sd3"]),
        "controlnet/flux": _controlnet(Family.FLUX, LAYOUTS["flux"]),
        "loras/of-sd3": lora(f"transformer.{JOINT_QUERY}", 1536, 1536),
        "loras/of-flux": lora(f"transformer.{SINGLE_QUERY}", 3072, 3072),
        "loras/small-flux": lora(f"transformer.{SINGLE_QUERY}", 64, 64),
    }
    for place, state in files.items():
        save_model(state, root, place)


def _checkpoint(denoiser: State, vae: State, **towers: State) -> State:
    parts = {"model.diffusion_model.": denoiser, "first_stage_model.": vae}
    parts |= {f"text_encoders.{kind}.transformer.": state for kind, state in towers.items()}
    return {prefix + name: each for prefix, state in parts.items() for name, each in state.items()}


def _controlnet(family: Family, layout: TransformerLayout) -> State:
    """InstantX's: of the denoiser's shape, named as in diffusers."""
    module = empty_transformer_controlnet(TransformerControlPart(family, layout))
    return {name: noise(*each.shape) for name, each in module.network.state_dict().items()}


def _narrow(state: State) -> State:
    return {name: each.to(torch.float8_e4m3fn) if each.ndim > 1 else each for name, each in state.items()}
