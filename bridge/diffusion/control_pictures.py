"""Pictures of ControlNets, fitted to the latents of a run, and what an autoencoder makes of them.

That is made before the denoiser is loaded: for Flux, its ControlNet and the work of an autoencoder together
few devices have room.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from torch import Tensor

from bridge.diffusion.fit import fit_picture, repeat_to
from bridge.diffusion.regions import window_of
from bridge.diffusion.transformer_controlnets import StabilityControlNet
from bridge.diffusion.types import Control, DiffusionModel, Prompt
from bridge.diffusion.vae import encode_image

ControlLatents = Mapping[tuple[Control, tuple[int, int]], Tensor]
"""A control, height and width of the latents that it steers → latents of its picture, not yet scaled."""

NO_LATENTS: ControlLatents = MappingProxyType({})

_EDGES, _DEPTH = 1, 2
"""What pictures of Stability's ControlNets show, as their files number it; 0 are blurred ones."""


def fitted_picture(
    control: Control, model: DiffusionModel, shape: Sequence[int], *, multiple: int = 1
) -> Tensor:
    """Fit a control's picture to latents.

    Args:
        control: Whose picture.
        model: Which it steers.
        shape: Of the latents, (B, C, h, w).
        multiple: What the picture's sides must be multiples of.

    Returns:
        Shape (1 or B, 3, H, W), range 0..1.
    """
    batch, _, height, width = shape
    image = fit_picture(
        control.image[..., :3].movedim(-1, 1),
        -(-height * model.latent_factor // multiple) * multiple,
        -(-width * model.latent_factor // multiple) * multiple,
    )
    return image if len(image) == 1 else repeat_to(image, batch)


async def control_latents(
    model: DiffusionModel, prompts: Iterable[Prompt], shape: Sequence[int]
) -> ControlLatents:
    """Encode the pictures of all controls that see them as latents.

    Args:
        model: Which they steer.
        prompts: Of a run.
        shape: Of its latents, (B, C, h, w).

    Raises:
        BridgeError: As ``encode_image`` and ``window_of`` raise it.
    """
    found: dict[tuple[Control, tuple[int, int]], Tensor] = {}
    for prompt in prompts:
        seeing = [control for control in prompt.controls if control.network.latent_channels]
        window = window_of(prompt, shape, model.latent_factor) if seeing else None
        size = (window.height, window.width) if window else (shape[2], shape[3])
        for control in seeing:
            if (control, size) not in found:
                found[control, size] = await _encoded(control, model, (*shape[:2], *size))
    return found


async def _encoded(control: Control, model: DiffusionModel, shape: Sequence[int]) -> Tensor:
    assert control.vae
    image = _as_trained(control, fitted_picture(control, model, shape))
    return await encode_image(control.vae, image.movedim(1, -1))


def _as_trained(control: Control, image: Tensor) -> Tensor:
    """Stability's ControlNets want edges glaring, and depth dark where it is near."""
    module = control.network.network.module()
    if not isinstance(module, StabilityControlNet):
        return image
    control_type = round(module.control_type.item())
    if control_type == _EDGES:
        return image * 127.5 + 0.5
    return 1 - image if control_type == _DEPTH else image
