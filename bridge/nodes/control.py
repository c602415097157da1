"""ControlNets and T2I-Adapters: opening them, and putting them on conditioning."""

from typing import Annotated

from bridge.diffusion import (
    CONTROL_TYPES,
    Conditioning,
    Control,
    ControlNet,
    Image,
    Mask,
    Model,
    Vae,
    add_control,
    find_model,
    load_controlnet,
    mark_masked,
    model_stamps,
    with_control_type,
    with_mask,
)
from bridge.graph import Choices, ChoicesFrom, Omissible, Range, node

ControlNetName = Annotated[str, ChoicesFrom("controlnet")]
Strength = Annotated[float, Range(0.0, 10.0, 0.01)]
Percent = Annotated[float, Range(0.0, 1.0, 0.001)]


@node(
    "ControlNetLoader",
    category="loaders",
    display_name="Load ControlNet Model",
    fingerprint=model_stamps(control_net_name="controlnet"),
    differs="ControlNet-XS opens too, as a folder in diffusers' layout; it does not go together with other "
    "ControlNets. Pickled files (.pth) are refused.",
)
def controlnet_loader(control_net_name: ControlNetName) -> ControlNet:
    """Open a ControlNet of any kind (union, ControlLoRA, XS), or a T2I-Adapter."""
    return load_controlnet(find_model("controlnet", control_net_name), control_net_name)


@node(
    "DiffControlNetLoader",
    category="loaders",
    display_name="Load ControlNet Model (diff)",
    fingerprint=model_stamps(control_net_name="controlnet"),
)
def diff_controlnet_loader(model: Model, control_net_name: ControlNetName) -> ControlNet:
    """Open a ControlNet that was saved as what differs from a checkpoint."""
    return load_controlnet(find_model("controlnet", control_net_name), control_net_name, model)


@node(
    "SetUnionControlNetType",
    category="conditioning/controlnet",
    differs="Flux's unions number their types in another way than SDXL's, and are told theirs.",
)
def set_union_controlnet_type(
    control_net: ControlNet, type: Annotated[str, Choices(("auto", *CONTROL_TYPES))]
) -> ControlNet:
    """Say what kind of picture a union ControlNet gets; auto says nothing of it."""
    return with_control_type(control_net, type)


@node("ControlNetApply", category="conditioning/controlnet", display_name="Apply ControlNet (OLD)")
def controlnet_apply(
    conditioning: Conditioning, control_net: ControlNet, image: Image, strength: Strength = 1.0
) -> Conditioning:
    """Steer by a picture from the first step to the last; negative prompts follow."""
    return add_control(conditioning, Control(control_net, image, strength, covers_negative=True))


@node(
    "ControlNetApplyAdvanced",
    category="conditioning/controlnet",
    display_name="Apply ControlNet",
    outputs=("positive", "negative"),
)
def controlnet_apply_advanced(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    vae: Vae | None = None,
) -> tuple[Conditioning, Conditioning]:
    """Steer by a picture during a part of the noise schedule; ControlNets of SD3 and Flux need the VAE."""
    control = Control(control_net, image, strength, start_percent, end_percent, vae=vae)
    return add_control(positive, control), add_control(negative, control)


@node(
    "ControlNetApplySD3",
    category="conditioning/controlnet",
    display_name="Apply Controlnet with VAE",
    outputs=("positive", "negative"),
)
def controlnet_apply_with_vae(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> tuple[Conditioning, Conditioning]:
    """Steer by a picture as Apply ControlNet does."""
    control = Control(control_net, image, strength, start_percent, end_percent, vae=vae)
    return add_control(positive, control), add_control(negative, control)


@node(
    "ControlNetInpaintingAliMamaApply",
    category="conditioning/controlnet",
    outputs=("positive", "negative"),
)
def controlnet_inpainting_alimama_apply(
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    vae: Vae,
    image: Image,
    mask: Mask,
    strength: Strength = 1.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> tuple[Conditioning, Conditioning]:
    """Let an inpainting ControlNet of SD3 or Flux fill a mask; others are shown the picture alone."""
    control = with_mask(Control(control_net, image, strength, start_percent, end_percent, vae=vae), mask)
    return add_control(positive, control), add_control(negative, control)


@node(
    "InpaintPreprocessor",
    category="ControlNet Preprocessors/others",
    display_name="Inpaint Preprocessor",
)
def inpaint_preprocessor(
    image: Image, mask: Mask, black_pixel_for_xinsir_cn: Annotated[bool, Omissible()] = False
) -> Image:
    """Mark what an inpainting ControlNet is to fill; in black for xinsir's union."""
    return mark_masked(image, mask, 0.0 if black_pixel_for_xinsir_cn else -1.0)
