"""Write small ControlNets for the transformers of ``make_transformers.py``, and TAESD for their latents.

Usage: python make_controls.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from drawn import Shapes, drawn, linear, save
from make_transformers import (
    CHANNELS,
    CONTEXT,
    FLUX_HEAD,
    FLUX_WIDTH,
    POOLED,
    SD3_POSITIONS,
    SD3_WIDTH,
    flux_shapes,
)

LATENTS, MODES = 4 * CHANNELS, 7
MISTOLINE_KERNELS = 3, 1, 3, 3, 3, 3, 3, 3, 1, 3
XLABS_CONVOLUTIONS, TAESD_WIDTH, TAESD_BLOCKS = 8, 64, 3


def make_controls(folder: Path) -> None:
    """Write the files into the folders where ComfyUI looks for them."""
    flux = {
        "flux-union": {
            **instantx_flux_shapes(LATENTS),
            "controlnet_mode_embedder.weight": [MODES, FLUX_WIDTH],
        },
        "flux-inpaint": instantx_flux_shapes(LATENTS + 4),
        "flux-xlabs": xlabs_shapes(),
        "flux-mistoline": mistoline_shapes(),
    }
    for name, shapes in flux.items():
        tensors = drawn(shapes, f"{name}.")
        tensors |= {key: values + np.float16(1) for key, values in tensors.items() if key.endswith(".scale")}
        save(tensors, folder / f"controlnet/parity-{name}.safetensors")
    sd3 = drawn(instantx_sd3_shapes(), "sd3-inpaint.")
    positions = sd3["pos_embed.pos_embed"] * SD3_POSITIONS * SD3_WIDTH**0.5
    sd3["pos_embed.pos_embed"] = positions.astype(np.float16)
    save(sd3, folder / "controlnet/parity-sd3-inpaint.safetensors")
    stability = drawn(stability_shapes(), "sd35-control.")
    for number, name in enumerate(("blur", "canny", "depth")):
        control_type = {"control_type": np.array([number], np.int32)}
        save(stability | control_type, folder / f"controlnet/parity-sd35-{name}.safetensors")
    for half, shapes in taesd_shapes().items():
        save(drawn(shapes, f"taesd3-{half}."), folder / f"vae_approx/taesd3_{half}.safetensors")


def instantx_flux_shapes(seen: int) -> Shapes:
    """Return InstantX's for Flux, of a layer of each kind, which reads so many channels of the picture."""
    width, block = FLUX_WIDTH, "single_transformer_blocks.0"
    found = linear("x_embedder", width, LATENTS) | linear("controlnet_x_embedder", width, seen)
    found |= _embedders(width, "timestep", "guidance", "text")
    found |= _joint("transformer_blocks.0", width, FLUX_HEAD)
    for name in ("to_q", "to_k", "to_v"):
        found |= linear(f"{block}.attn.{name}", width, width)
    found |= {f"{block}.attn.norm_{letter}.weight": [FLUX_HEAD] for letter in "qk"}
    found |= linear(f"{block}.norm.linear", 3 * width, width)
    found |= linear(f"{block}.proj_mlp", 4 * width, width) | linear(f"{block}.proj_out", width, 5 * width)
    return (
        found
        | linear("controlnet_blocks.0", width, width)
        | linear("controlnet_single_blocks.0", width, width)
    )


def instantx_sd3_shapes() -> Shapes:
    """Return InstantX's for SD3, of two layers, which sees a mask."""
    width = SD3_WIDTH
    found = {"pos_embed.pos_embed": [1, SD3_POSITIONS**2, width], **_embedders(width, "timestep", "text")}
    found |= linear("pos_embed.proj", width, CHANNELS, 2, 2)
    found |= linear("pos_embed_input.proj", width, CHANNELS + 1, 2, 2)
    for layer in range(2):
        found |= _joint(f"transformer_blocks.{layer}", width)
        found |= linear(f"controlnet_blocks.{layer}", width, width)
    return found


def stability_shapes() -> Shapes:
    """Return Stability's for SD3.5, of two layers."""
    width = SD3_WIDTH
    found = linear("pos_embed_input.proj", width, CHANNELS, 2, 2)
    found |= {
        name: shape
        for name, shape in _embedders(width, "timestep", "text").items()
        if not name.startswith("context_embedder")
    }
    for layer in range(2):
        block = f"transformer_blocks.{layer}"
        found |= linear(f"{block}.adaLN_modulation.1", 6 * width, width)
        found |= linear(f"{block}.attn.qkv", 3 * width, width) | linear(f"{block}.attn.proj", width, width)
        found |= linear(f"{block}.mlp.fc1", 4 * width, width) | linear(f"{block}.mlp.fc2", width, 4 * width)
        found |= linear(f"controlnet_blocks.{layer}", width, width)
    return found


def xlabs_shapes() -> Shapes:
    """Return XLabs', of two layers in which prompt and picture have weights of their own."""
    found = _without("single_blocks.") | linear("pos_embed_input", FLUX_WIDTH, LATENTS)
    for index in range(XLABS_CONVOLUTIONS):
        found |= linear(f"input_hint_block.{2 * index}", CHANNELS, CHANNELS if index else 3, 3, 3)
    for layer in range(2):
        found |= linear(f"controlnet_blocks.{layer}", FLUX_WIDTH, FLUX_WIDTH)
    return found


def mistoline_shapes() -> Shapes:
    """Return MistoLine's, of as many layers as the denoiser."""
    found = _without() | linear("pos_embed_input", FLUX_WIDTH, LATENTS)
    for index, kernel in enumerate(MISTOLINE_KERNELS):
        inputs = CHANNELS if index else 3
        found |= linear(f"input_cond_block.encoder.{2 * index}", CHANNELS, inputs, kernel, kernel)
    for layer in range(2):
        for kind in ("controlnet_blocks", "single_controlnet_blocks"):
            found |= linear(f"{kind}.{layer}.linear", FLUX_WIDTH, FLUX_WIDTH)
    return found


def taesd_shapes() -> dict[str, Shapes]:
    """Return TAESD's, for latents of so many channels: a list of layers, numbered with what lies between."""
    width = TAESD_WIDTH
    encoder = linear("0", width, 3, 3, 3) | _block(1)
    for first in (2, 6, 10):
        encoder |= {f"{first}.weight": [width, width, 3, 3]}
        for index in range(TAESD_BLOCKS):
            encoder |= _block(first + 1 + index)
    decoder = linear("1", width, CHANNELS, 3, 3)
    for first in (3, 8, 13):
        for index in range(TAESD_BLOCKS):
            decoder |= _block(first + index)
        decoder |= {f"{first + TAESD_BLOCKS + 1}.weight": [width, width, 3, 3]}
    decoder |= _block(18) | linear("19", 3, width, 3, 3)
    return {"encoder": encoder | linear("14", CHANNELS, width, 3, 3), "decoder": decoder}


def _block(place: int) -> Shapes:
    found: Shapes = {}
    for index in (0, 2, 4):
        found |= linear(f"{place}.conv.{index}", TAESD_WIDTH, TAESD_WIDTH, 3, 3)
    return found


def _joint(block: str, width: int, head: int | None = None) -> Shapes:
    """Return a layer in which prompt and picture have weights of their own, with normalised heads if told."""
    found = linear(f"{block}.norm1.linear", 6 * width, width)
    found |= linear(f"{block}.norm1_context.linear", 6 * width, width)
    for name in ("to_q", "to_k", "to_v", "add_q_proj", "add_k_proj", "add_v_proj", "to_out.0", "to_add_out"):
        found |= linear(f"{block}.attn.{name}", width, width)
    for side in ("ff", "ff_context"):
        found |= linear(f"{block}.{side}.net.0.proj", 4 * width, width)
        found |= linear(f"{block}.{side}.net.2", width, 4 * width)
    if head:
        names = ("norm_q", "norm_k", "norm_added_q", "norm_added_k")
        found |= {f"{block}.attn.{name}.weight": [head] for name in names}
    return found


def _embedders(width: int, *kinds: str) -> Shapes:
    found = linear("context_embedder", width, CONTEXT)
    for kind in kinds:
        name = f"time_text_embed.{kind}_embedder"
        found |= linear(f"{name}.linear_1", width, POOLED if kind == "text" else 256)
        found |= linear(f"{name}.linear_2", width, width)
    return found


def _without(*parts: str) -> Shapes:
    """Return Flux's tensors but for its last layer and some more."""
    left_out = ("final_layer.", *parts)
    return {name: shape for name, shape in flux_shapes().items() if not name.startswith(left_out)}


if __name__ == "__main__":
    make_controls(Path(sys.argv[1]))
