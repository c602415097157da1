"""Nodes that bring a model, a picture or a mask into txt2img."""

from typing import Any

Node = tuple[str, dict[str, Any]]
"""Class and inputs."""

Wiring = tuple[dict[str, Node], dict[str, Any]]
"""Nodes to add, and inputs to set: ``n5_model=["20", 0]``."""


def picture(width: int, height: int, count: int = 1) -> Node:
    return "EmptyImage", {"width": width, "height": height, "batch_size": count, "color": 0}


def mask(value: float, width: int, height: int) -> Node:
    return "SolidMask", {"value": value, "width": width, "height": height}


def checkpoint(name: str) -> Wiring:
    return {}, {"n1_ckpt_name": name}


def diffusion_model(name: str) -> Wiring:
    return {"20": ("UNETLoader", {"unet_name": name, "weight_dtype": "default"})}, {"n5_model": ["20", 0]}


def text_encoder(name: str) -> Wiring:
    return {"20": ("CLIPLoader", {"clip_name": name, "type": "stable_diffusion"})}, {
        "n2_clip": ["20", 0],
        "n3_clip": ["20", 0],
    }


def vae(name: str) -> Wiring:
    return {"20": ("VAELoader", {"vae_name": name})}, {"n6_vae": ["20", 0]}


def lora(name: str) -> Wiring:
    inputs = {"model": ["1", 0], "clip": ["1", 1], "lora_name": name}
    return {"20": ("LoraLoader", {**inputs, "strength_model": 1.0, "strength_clip": 1.0})}, {
        "n5_model": ["20", 0],
        "n2_clip": ["20", 1],
    }


def embedding(name: str) -> Wiring:
    return {}, {"n2_text": f"a cat, embedding:{name.removesuffix('.safetensors')}"}


def controlnet(name: str, text_encoder: str = "") -> Wiring:
    inputs = {"positive": ["2", 0], "negative": ["3", 0], "control_net": ["20", 0], "image": ["22", 0]}
    strength = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    nodes = {
        "20": ("ControlNetLoader", {"control_net_name": name}),
        "21": ("ControlNetApplyAdvanced", inputs | strength),
        "22": picture(64, 64),
    }
    changes = {"n5_positive": ["21", 0], "n5_negative": ["21", 1]}
    if text_encoder:
        nodes["23"] = "CLIPLoader", {"clip_name": text_encoder, "type": "stable_diffusion"}
        changes |= {"n2_clip": ["23", 0], "n3_clip": ["23", 0]}
    return nodes, changes


def ip_adapter(name: str, vision: str = "tiny.safetensors") -> Wiring:
    inputs = {"model": ["1", 0], "ipadapter": ["20", 0], "clip_vision": ["21", 0], "image": ["22", 0]}
    how = {"weight_type": "linear", "combine_embeds": "concat", "embeds_scaling": "V only"}
    return {
        "20": ("IPAdapterModelLoader", {"ipadapter_file": name}),
        "21": ("CLIPVisionLoader", {"clip_name": vision}),
        "22": picture(64, 64),
        "23": ("IPAdapterAdvanced", {**inputs, **how, "weight": 1.0, "start_at": 0.0, "end_at": 1.0}),
    }, {"n5_model": ["23", 0]}


def clip_vision(name: str) -> Wiring:
    return ip_adapter("tiny.safetensors", name)


def style_model(name: str) -> Wiring:
    seen = {"clip_vision": ["21", 0], "image": ["22", 0], "crop": "center"}
    inputs = {"conditioning": ["2", 0], "style_model": ["20", 0], "clip_vision_output": ["23", 0]}
    return {
        "20": ("StyleModelLoader", {"style_model_name": name}),
        "21": ("CLIPVisionLoader", {"clip_name": "tiny.safetensors"}),
        "22": picture(64, 64),
        "23": ("CLIPVisionEncode", seen),
        "24": ("StyleModelApply", {**inputs, "strength": 1.0, "strength_type": "multiply"}),
    }, {"n5_positive": ["24", 0]}


def gligen(name: str) -> Wiring:
    inputs = {
        "conditioning_to": ["2", 0],
        "clip": ["1", 1],
        "gligen_textbox_model": ["20", 0],
        "text": "a cat",
    }
    return {
        "20": ("GLIGENLoader", {"gligen_name": name}),
        "21": ("GLIGENTextBoxApply", {**inputs, "width": 32, "height": 32, "x": 0, "y": 0}),
    }, {"n5_positive": ["21", 0]}


def photomaker(name: str) -> Wiring:
    inputs = {"photomaker": ["20", 0], "image": ["22", 0], "clip": ["1", 1], "text": "a man photomaker"}
    return {
        "20": ("PhotoMakerLoader", {"photomaker_model_name": name}),
        "21": ("PhotoMakerEncode", inputs),
        "22": picture(64, 64),
    }, {"n5_positive": ["21", 0]}


def unclip(name: str) -> Wiring:
    nodes, changes = style_model("tiny.safetensors")
    nodes["23"][1]["clip_vision"] = ["25", 3]
    loader = {"25": ("unCLIPCheckpointLoader", {"ckpt_name": name})}
    return nodes | loader, changes | {"n5_model": ["25", 0], "n2_clip": ["25", 1], "n6_vae": ["25", 2]}


def upscale_model(name: str) -> Wiring:
    return {
        "20": ("UpscaleModelLoader", {"model_name": name}),
        "21": ("ImageUpscaleWithModel", {"upscale_model": ["20", 0], "image": ["6", 0]}),
    }, {"n7_images": ["21", 0]}


def image_to_image() -> Wiring:
    return {
        "20": picture(64, 64),
        "21": ("VAEEncode", {"pixels": ["20", 0], "vae": ["1", 2]}),
    }, {"n5_latent_image": ["21", 0]}


def hed() -> Wiring:
    return {
        "21": ("HEDPreprocessor", {"image": ["6", 0], "safe": "enable", "resolution": 64}),
    }, {"n7_images": ["21", 0]}
