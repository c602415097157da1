"""ControlNets on conditioning."""

from typing import Annotated

from bridge.diffusion import Conditioning, Control, ControlNet, Image, Vae, add_control
from bridge.graph import Range, node

Strength = Annotated[float, Range(0.0, 10.0, 0.01)]
Percent = Annotated[float, Range(0.0, 1.0, 0.001)]


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
    """Steer by a picture during a part of the noise schedule."""
    control = Control(control_net, image, strength, start_percent, end_percent)
    return add_control(positive, control), add_control(negative, control)
