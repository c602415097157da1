"""Pictures with a part masked out, as latents and as conditioning for inpainting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn.functional import max_pool2d

from bridge.diffusion.fit import scale, warn_of_stretching
from bridge.diffusion.latent_batch import latent_factor
from bridge.diffusion.types import Autoencoder, LatentBatch, Prompt
from bridge.diffusion.vae import encode_image
from bridge.engine import current_job
from bridge.errors import InputError


@dataclass(frozen=True, slots=True)
class Inpainting:
    """What a picture with a masked part becomes.

    Args:
        latents: Of the picture.
        masked_latents: Of the picture, grey where it is masked.
        mask: Shape (B, 1, H, W), range 0..1, in pixels of the latents' size.
    """

    latents: Tensor
    masked_latents: Tensor
    mask: Tensor

    def on(self, prompts: Sequence[Prompt]) -> tuple[Prompt, ...]:
        """Return prompts that show an inpainting UNet the masked picture and the mask."""
        return tuple(
            replace(prompt, concat_latents=self.masked_latents, concat_mask=self.mask) for prompt in prompts
        )


async def encode_masked(vae: Autoencoder, image: Tensor, mask: Tensor, grow_by: int) -> LatentBatch:
    """Encode pictures whose masked part is grey, to be made anew within the mask; warns of an odd mask.

    Args:
        vae: An autoencoder, of latent factor f.
        image: Shape (B, H, W, 3), range 0..1.
        mask: Shape (1 or B, h, w), range 0..1; stretched to the picture, selected from 0.5 on.
        grow_by: Side in pixels of the square that each selected pixel grows to in the noise mask.

    Raises:
        BridgeError: As ``encode_image``, or if the masks are not as many as the pictures.
    """
    _warn_of_empty(mask.round())
    image, mask = fit_masked(image, mask, vae.latent_factor)
    samples = await encode_image(vae, grey_out(image, mask))
    return {
        "samples": samples,
        "downscale_ratio_spacial": vae.latent_factor,
        "noise_mask": grow(mask.round(), grow_by),
    }


async def encode_inpainting(vae: Autoencoder, image: Tensor, mask: Tensor) -> Inpainting:
    """Encode pictures whole, and with a masked part grey; warns of an odd mask.

    Args and errors: As of ``encode_masked``.
    """
    _warn_of_empty(mask)
    image, mask = fit_masked(image, mask, vae.latent_factor)
    masked_latents = await encode_image(vae, grey_out(image, mask))
    return Inpainting(await encode_image(vae, image), masked_latents, mask)


def with_noise_mask(latents: LatentBatch, mask: Tensor) -> LatentBatch:
    """Return latents that change only where a mask (B, H, W) selects; warns of an odd mask."""
    _warn_of_empty(mask)
    factor = latent_factor(latents)
    height, width = (side * factor for side in latents["samples"].shape[-2:])
    warn_of_stretching("the mask", mask, height, width, factor, "mask")
    masked = latents.copy()
    masked["noise_mask"] = mask.reshape(-1, 1, *mask.shape[-2:])
    return masked


def fit_masked(image: Tensor, mask: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """Stretch a mask to the size of pictures, and crop both to a multiple of the latent factor.

    A mask of other proportions is told to the client.

    Returns:
        Pictures (B, H, W, 3) and masks (1 or B, 1, H, W), cropped around the centre.

    Raises:
        InputError: If the masks are not as many as the pictures.
    """
    height, width = image.shape[1:3]
    warn_of_stretching("the mask", mask, height, width, factor, "mask")
    mask = scale(mask.reshape(-1, 1, *mask.shape[-2:]), width, height, "bilinear")
    if len(mask) not in (1, len(image)):
        raise InputError(
            f"there are {len(mask)} masks for {len(image)} picture{'s' * (len(image) != 1)}",
            input_name="mask",
            hint="Give one mask for all, or one for each picture.",
        )
    top, left = height % factor // 2, width % factor // 2
    bottom, right = top + height // factor * factor, left + width // factor * factor
    return image[:, top:bottom, left:right, :3], mask[..., top:bottom, left:right]


def grey_out(image: Tensor, mask: Tensor) -> Tensor:
    """Return pictures (B, H, W, 3) that are mid-grey where masks (1 or B, 1, H, W) select."""
    kept = 1.0 - mask.round().movedim(1, -1)
    return (image - 0.5) * kept + 0.5


def grow(mask: Tensor, size: int) -> Tensor:
    """Turn each selected pixel of binary masks (B, 1, H, W) into a square of a side; 0 and 1 change nothing.

    A square of even side reaches one pixel further down and to the right, as in ComfyUI.
    """
    if size <= 1:
        return mask
    return max_pool2d(mask, size, stride=1, padding=size // 2)[..., : mask.shape[2], : mask.shape[3]]


def _warn_of_empty(mask: Tensor) -> None:
    if not bool(mask.any()):
        current_job().warn(
            "empty_mask",
            "the mask is empty: nothing of the picture is made anew",
            "Select what is to change, or turn the mask round with InvertMask.",
            "mask",
        )
