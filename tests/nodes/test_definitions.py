"""Nodes that ComfyUI has too take the same inputs: names, types, defaults, ranges, order, outputs."""

from typing import Any

import pytest

from bridge.diffusion import SAMPLERS, SCHEDULERS
from bridge.graph import NodeDefinition
from bridge.nodes import load

SEED = ("INT", 0, 0, 2**64 - 1)
STEPS = ("INT", 20, 1, 10_000)
CFG = ("FLOAT", 8.0, 0.0, 100.0)
STRENGTH = ("FLOAT", 1.0, 0.0, 10.0)
SAMPLER = ("COMBO", tuple(SAMPLERS))
SCHEDULER = ("COMBO", tuple(SCHEDULERS))
SIDE = ("INT", 512, 16, 16_384)

COMFYUI: dict[str, tuple[dict[str, tuple[Any, ...]], dict[str, str]]] = {
    "CheckpointLoaderSimple": (
        {"ckpt_name": ("COMBO", "checkpoints")},
        {"MODEL": "MODEL", "CLIP": "CLIP", "VAE": "VAE"},
    ),
    "VAELoader": ({"vae_name": ("COMBO", "vae")}, {"VAE": "VAE"}),
    "ControlNetLoader": ({"control_net_name": ("COMBO", "controlnet")}, {"CONTROL_NET": "CONTROL_NET"}),
    "CLIPSetLastLayer": ({"clip": ("CLIP",), "stop_at_clip_layer": ("INT", -1, -24, -1)}, {"CLIP": "CLIP"}),
    "CLIPTextEncode": ({"text": ("STRING",), "clip": ("CLIP",)}, {"CONDITIONING": "CONDITIONING"}),
    "EmptyLatentImage": (
        {"width": SIDE, "height": SIDE, "batch_size": ("INT", 1, 1, 4096)},
        {"LATENT": "LATENT"},
    ),
    "KSampler": (
        {
            "model": ("MODEL",),
            "seed": SEED,
            "steps": STEPS,
            "cfg": CFG,
            "sampler_name": SAMPLER,
            "scheduler": SCHEDULER,
            "positive": ("CONDITIONING",),
            "negative": ("CONDITIONING",),
            "latent_image": ("LATENT",),
            "denoise": ("FLOAT", 1.0, 0.0, 1.0),
        },
        {"LATENT": "LATENT"},
    ),
    "KSamplerAdvanced": (
        {
            "model": ("MODEL",),
            "add_noise": ("COMBO", ("enable", "disable")),
            "noise_seed": SEED,
            "steps": STEPS,
            "cfg": CFG,
            "sampler_name": SAMPLER,
            "scheduler": SCHEDULER,
            "positive": ("CONDITIONING",),
            "negative": ("CONDITIONING",),
            "latent_image": ("LATENT",),
            "start_at_step": ("INT", 0, 0, 10_000),
            "end_at_step": ("INT", 10_000, 0, 10_000),
            "return_with_leftover_noise": ("COMBO", ("disable", "enable")),
        },
        {"LATENT": "LATENT"},
    ),
    "VAEDecode": ({"samples": ("LATENT",), "vae": ("VAE",)}, {"IMAGE": "IMAGE"}),
    "VAEEncode": ({"pixels": ("IMAGE",), "vae": ("VAE",)}, {"LATENT": "LATENT"}),
    "SaveLatent": ({"samples": ("LATENT",), "filename_prefix": ("STRING", "latents/ComfyUI")}, {}),
    "LoadLatent": ({"latent": ("COMBO", "input")}, {"LATENT": "LATENT"}),
    "ControlNetApply": (
        {
            "conditioning": ("CONDITIONING",),
            "control_net": ("CONTROL_NET",),
            "image": ("IMAGE",),
            "strength": STRENGTH,
        },
        {"CONDITIONING": "CONDITIONING"},
    ),
    "ControlNetApplyAdvanced": (
        {
            "positive": ("CONDITIONING",),
            "negative": ("CONDITIONING",),
            "control_net": ("CONTROL_NET",),
            "image": ("IMAGE",),
            "strength": STRENGTH,
            "start_percent": ("FLOAT", 0.0, 0.0, 1.0),
            "end_percent": ("FLOAT", 1.0, 0.0, 1.0),
            "vae": ("VAE",),
        },
        {"positive": "CONDITIONING", "negative": "CONDITIONING"},
    ),
    "UpscaleModelLoader": (
        {"model_name": ("COMBO", "upscale_models")},
        {"UPSCALE_MODEL": "UPSCALE_MODEL"},
    ),
    "ImageUpscaleWithModel": ({"upscale_model": ("UPSCALE_MODEL",), "image": ("IMAGE",)}, {"IMAGE": "IMAGE"}),
    "Canny": (
        {
            "image": ("IMAGE",),
            "low_threshold": ("FLOAT", 0.4, 0.01, 0.99),
            "high_threshold": ("FLOAT", 0.8, 0.01, 0.99),
        },
        {"IMAGE": "IMAGE"},
    ),
}


@pytest.fixture(scope="module")
def definitions() -> Any:
    library = load({"device": "cpu"})
    assert not library.registry.failures
    return library.registry.definitions


@pytest.mark.parametrize("name", COMFYUI)
def test_the_same_as_in_comfyui(definitions: Any, name: str) -> None:
    definition: NodeDefinition = definitions[name]
    inputs, outputs = COMFYUI[name]
    found: dict[str, tuple[Any, ...]] = {}
    for entry in definition.inputs:
        bounds = (entry.default, entry.minimum, entry.maximum)
        choices = (entry.choices_from or entry.choices,) if entry.type == "COMBO" else ()
        known = bounds if entry.minimum is not None else (entry.default,) if entry.default is not None else ()
        found[entry.name] = (entry.type, *choices, *known)
    assert found == inputs
    assert list(found) == list(inputs)
    assert {output.name: output.type for output in definition.outputs} == outputs
    assert definition.description
    assert definition.category


def test_only_the_vae_of_a_controlnet_is_optional(definitions: Any) -> None:
    optional = {(name, e.name) for name in COMFYUI for e in definitions[name].inputs if not e.is_required}
    assert optional == {("ControlNetApplyAdvanced", "vae")}


def test_the_environment_says_what_pixels_depend_on() -> None:
    environment = load({"device": "cpu", "dtype": "auto", "threads": None}).environment
    assert environment["device"] == "cpu"
    assert environment["dtype"] == "float32"
    assert environment["threads"] >= 1
    assert environment["torch"]
