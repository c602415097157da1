"""Pictures after the fact: blur, sharpness, blending, few colours, morphology, colour spaces."""

from typing import Annotated

import torch

from bridge.diffusion import Image, each_picture, match_channels, repeat_to, scale_image
from bridge.graph import Range, node
from bridge.imaging import (
    BlendMode,
    Dither,
    MorphologyOperation,
    gaussian_blur,
    rgb_to_ycbcr,
    sharpen,
    ycbcr_to_rgb,
)
from bridge.imaging import blend as blend_pictures
from bridge.imaging import morphology as change_shapes
from bridge.imaging import quantize as reduce_colours

Radius = Annotated[int, Range(1, 31, 1)]


@node("ImageBlur", category="image/postprocessing", display_name="Image Blur")
def image_blur(
    image: Image, blur_radius: Radius = 1, sigma: Annotated[float, Range(0.1, 10.0, 0.1)] = 1.0
) -> Image:
    """Blur pictures."""
    return each_picture(image, lambda picture: gaussian_blur(picture, blur_radius, sigma))


@node("ImageSharpen", category="image/postprocessing", display_name="Image Sharpen")
def image_sharpen(
    image: Image,
    sharpen_radius: Radius = 1,
    sigma: Annotated[float, Range(0.1, 10.0, 0.01)] = 1.0,
    alpha: Annotated[float, Range(0.0, 5.0, 0.01)] = 1.0,
) -> Image:
    """Bring out edges and grain."""
    return each_picture(image, lambda picture: sharpen(picture, sharpen_radius, sigma, alpha))


@node("ImageBlend", category="image/postprocessing", display_name="Image Blend")
def image_blend(
    image1: Image,
    image2: Image,
    blend_factor: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.5,
    blend_mode: BlendMode = "normal",
) -> Image:
    """Blend the second picture into the first; another size is scaled and cropped."""
    first, second = match_channels(image1, image2)
    second = scale_image(second, first.shape[2], first.shape[1], "bicubic", crops=True)
    second = repeat_to(second, len(first))
    return torch.from_numpy(blend_pictures(first.numpy(), second.numpy(), blend_factor, blend_mode))


@node("ImageQuantize", category="image/postprocessing", display_name="Image Quantize")
def image_quantize(
    image: Image, colors: Annotated[int, Range(1, 256, 1)] = 256, dither: Dither = "none"
) -> Image:
    """Reduce pictures to a few colours; dithering mixes those that are missing."""
    return each_picture(image[..., :3], lambda picture: reduce_colours(picture, colors, dither))


@node("Morphology", category="image/postprocessing", display_name="Image Morphology")
def morphology(
    image: Image, operation: MorphologyOperation, kernel_size: Annotated[int, Range(3, 999, 1)] = 3
) -> Image:
    """Make bright shapes grow or shrink, fill their gaps, or keep only their outlines."""
    return each_picture(image, lambda picture: change_shapes(picture, operation, kernel_size))


@node("ImageRGBToYUV", category="image/batch", outputs=("Y", "U", "V"))
def image_rgb_to_yuv(image: Image) -> tuple[Image, Image, Image]:
    """Part pictures into brightness and two of colour, each as a grey picture."""
    planes = torch.from_numpy(rgb_to_ycbcr(image[..., :3].numpy())).unbind(-1)
    luma, blueness, redness = (plane[..., None].repeat(1, 1, 1, 3) for plane in planes)
    return luma, blueness, redness


@node("ImageYUVToRGB", category="image/batch")
def image_yuv_to_rgb(Y: Image, U: Image, V: Image) -> Image:  # noqa: N803 - names of the wire
    """Put brightness and colour together again."""
    planes = torch.stack([each.mean(-1) for each in (Y, U, V)], -1)
    return torch.from_numpy(ycbcr_to_rgb(planes.numpy()))
