"""SD3, Flux and PixArt in the place of txt2img's checkpoint, and nodes that bring something to them."""

from collections.abc import Mapping, Sequence
from typing import Any

from wiring import Node, Wiring, picture

USUAL: Mapping[str, tuple[Sequence[str], str]] = {
    "sd3": (("tiny", "clip_g", "t5"), "sixteen"),
    "flux": (("tiny", "t5"), "sixteen"),
    "pixart": (("t5",), "tiny"),
}
"""Type → its text encoders and its VAE."""


def transformer(
    type: str,
    *,
    model: str = "",
    clips: Sequence[str] = (),
    vae: str = "",
    weight_dtype: str = "default",
    latents: Node | None = None,
) -> Wiring:
    """Load a denoiser (node 30), text encoders (31) and a VAE (32) that are kept apart, and use them."""
    usual_clips, usual_vae = USUAL.get(type, ((), ""))
    size = {"width": 64, "height": 64, "batch_size": 1}
    return {
        "30": ("UNETLoader", {"unet_name": f"{model or type}.safetensors", "weight_dtype": weight_dtype}),
        "31": text_encoders(clips or usual_clips, type),
        "32": ("VAELoader", {"vae_name": f"{vae or usual_vae}.safetensors"}),
        "33": latents or ("EmptySD3LatentImage", size),
    }, {
        "n5_model": ["30", 0],
        "n2_clip": ["31", 0],
        "n3_clip": ["31", 0],
        "n6_vae": ["32", 0],
        "n5_latent_image": ["33", 0],
    }


def text_encoders(names: Sequence[str], type: str) -> Node:
    files = [f"{name}.safetensors" for name in names]
    if len(files) == 1:
        return "CLIPLoader", {"clip_name": files[0], "type": type, "device": "default"}
    chosen = {f"clip_name{number}": file for number, file in enumerate(files, 1)}
    if len(files) == 2:
        return "DualCLIPLoader", {**chosen, "type": type, "device": "default"}
    return "TripleCLIPLoader", chosen


def with_texts(names: Sequence[str], type: str) -> Wiring:
    """Let the usual checkpoint have other text encoders."""
    return {"31": text_encoders(names, type)}, {"n2_clip": ["31", 0], "n3_clip": ["31", 0]}


def with_lora(made: Wiring, name: str) -> Wiring:
    return with_change(made, "LoraLoaderModelOnly", lora_name=f"{name}.safetensors", strength_model=1.0)


def with_change(made: Wiring, kind: str, **inputs: Any) -> Wiring:
    """Put a node behind the denoiser, as node 40."""
    nodes, changes = made
    model = changes.get("n5_model", ["1", 0])
    return {**nodes, "40": (kind, {"model": model, **inputs})}, {**changes, "n5_model": ["40", 0]}


def with_controlnet(made: Wiring, name: str, vae: Sequence[Any] | None = ("32", 0)) -> Wiring:
    """Steer by a ControlNet of a file or folder (node 40), which node 42 applies."""
    nodes, changes = made
    strength = {"strength": 1.0, "start_percent": 0.0, "end_percent": 1.0}
    inputs = {"positive": ["2", 0], "negative": ["3", 0], "control_net": ["40", 0], "image": ["41", 0]}
    inputs |= {"vae": list(vae)} if vae else {}
    more = {
        "40": ("ControlNetLoader", {"control_net_name": name}),
        "41": picture(64, 64),
        "42": ("ControlNetApplyAdvanced", inputs | strength),
    }
    return nodes | more, changes | {"n5_positive": ["42", 0], "n5_negative": ["42", 1]}


def with_picture(made: Wiring, kind: str, **inputs: Any) -> Wiring:
    """Change the positive prompt by a node (43) that may take a picture (41), its latents (42) or what CLIP
    vision sees of it (45)."""
    nodes, changes = made
    vae = changes.get("n6_vae", ["1", 2])
    more = {
        "41": picture(64, 64),
        "42": ("VAEEncode", {"pixels": ["41", 0], "vae": vae}),
        "43": (kind, {"conditioning": ["2", 0], **inputs}),
        "44": ("CLIPVisionLoader", {"clip_name": "tiny.safetensors"}),
        "45": ("CLIPVisionEncode", {"clip_vision": ["44", 0], "image": ["41", 0], "crop": "center"}),
    }
    return nodes | more, changes | {"n5_positive": ["43", 0]}
