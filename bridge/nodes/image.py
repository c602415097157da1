"""Pictures on their own: making, scaling, cutting, turning, laying one over another. ComfyUI's meanings."""

from typing import Annotated, Literal, get_args

import torch
from torch.nn.functional import pad

from bridge.diffusion import (
    Image,
    Mask,
    composite,
    kontext_size,
    match_channels,
    scale_image,
)
from bridge.graph import EditorOption, Range, node
from bridge.imaging import GREY, Direction, Method, channels_of, check_size, outpaint_mask, stitch

Side = Annotated[int, Range(0, 16_384, 1)]
PositiveSide = Annotated[int, Range(1, 16_384, 1)]
Padding = Annotated[int, Range(0, 16_384, 8)]
Axis = Literal["x-axis: vertically", "y-axis: horizontally"]
Rotation = Literal["none", "90 degrees", "180 degrees", "270 degrees"]

COLOURS = {
    "white": (1.0, 1.0, 1.0),
    "black": (0.0, 0.0, 0.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
}


@node("EmptyImage", category="image")
def empty_image(
    width: PositiveSide = 512,
    height: PositiveSide = 512,
    batch_size: Annotated[int, Range(1, 4096, 1)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, 1), EditorOption("display", "color")] = 0,
) -> Image:
    """Make pictures of one colour, written as 0xRRGGBB."""
    check_size(width, height, batch_size)
    channels = torch.tensor(channels_of(color)) / 255
    return channels.repeat(batch_size, height, width, 1)


@node("ImageScale", category="image/upscaling", display_name="Upscale Image")
def image_scale(
    image: Image,
    upscale_method: Method,
    width: Side = 512,
    height: Side = 512,
    crop: Literal["disabled", "center"] = "disabled",
) -> Image:
    """Scale pictures to a size; a side of 0 follows from the other, and both 0 leave them as they are."""
    if width == 0 and height == 0:
        return image
    have_height, have_width = image.shape[1:3]
    width = width or max(1, round(have_width * height / have_height))
    height = height or max(1, round(have_height * width / have_width))
    return scale_image(image, width, height, upscale_method, crops=crop == "center")


@node("ImageScaleBy", category="image/upscaling", display_name="Upscale Image By")
def image_scale_by(
    image: Image, upscale_method: Method, scale_by: Annotated[float, Range(0.01, 8.0, 0.01)] = 1.0
) -> Image:
    """Scale pictures by a factor."""
    height, width = image.shape[1:3]
    return scale_image(image, round(width * scale_by), round(height * scale_by), upscale_method)


@node("ImageScaleToTotalPixels", category="image/upscaling", display_name="Scale Image to Total Pixels")
def image_scale_to_total_pixels(
    image: Image, upscale_method: Method, megapixels: Annotated[float, Range(0.01, 16.0, 0.01)] = 1.0
) -> Image:
    """Scale pictures to so many megapixels (of 1024²), keeping their shape."""
    height, width = image.shape[1:3]
    factor = float((int(megapixels * 1024 * 1024) / (width * height)) ** 0.5)
    return scale_image(image, round(width * factor), round(height * factor), upscale_method)


@node("ImageScaleToMaxDimension", category="image/upscaling")
def image_scale_to_max_dimension(
    image: Image,
    upscale_method: Literal["area", "lanczos", "bilinear", "nearest-exact", "bicubic"],
    largest_size: Side = 512,
) -> Image:
    """Scale pictures so that their longer side has a length, keeping their shape."""
    height, width = image.shape[1:3]
    longer = max(width, height)
    width, height = (round(side / longer * largest_size) for side in (width, height))
    return scale_image(image, width, height, upscale_method)


@node("FluxKontextImageScale", category="advanced/conditioning/flux")
def flux_kontext_image_scale(image: Image) -> Image:
    """Cut and scale pictures to the size that Flux Kontext knows and that fits their shape best."""
    height, width = image.shape[1:3]
    return scale_image(image, *kontext_size(width, height), "lanczos", crops=True)


@node("ImageInvert", category="image", display_name="Invert Image")
def image_invert(image: Image) -> Image:
    """Turn light into dark and every colour into its complement."""
    return 1.0 - image


@node("ImageCrop", category="image/transform", display_name="Image Crop")
def image_crop(
    image: Image, width: PositiveSide = 512, height: PositiveSide = 512, x: Side = 0, y: Side = 0
) -> Image:
    """Cut out a rectangle; what would lie outside the picture is left away."""
    x, y = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, y : y + height, x : x + width]


@node("ImageFlip", category="image/transform")
def image_flip(image: Image, flip_method: Axis) -> Image:
    """Turn pictures upside down, or left into right."""
    return image.flip(1 if flip_method.startswith("x") else 2)


@node("ImageRotate", category="image/transform")
def image_rotate(image: Image, rotation: Rotation) -> Image:
    """Turn pictures clockwise."""
    return image.rot90(get_args(Rotation).index(rotation), (2, 1))


@node("ImageStitch", category="image/transform", display_name="Image Stitch")
def image_stitch(
    image1: Image,
    direction: Direction = "right",
    match_image_size: bool = True,
    spacing_width: Annotated[int, Range(0, 1024, 2)] = 0,
    spacing_color: Literal["white", "black", "red", "green", "blue"] = "white",
    image2: Image | None = None,
) -> Image:
    """Put a second picture beside the first, with a gap between them if wanted."""
    if image2 is None:
        return image1
    if match_image_size:
        (height, width), (second_height, second_width) = image1.shape[1:3], image2.shape[1:3]
        if direction in ("left", "right"):
            width = int(height * (second_width / second_height))
        else:
            height = int(width / (second_width / second_height))
        image2 = scale_image(image2, width, height, "lanczos")
    first, second = match_channels(image1, image2)
    joined = stitch(first.numpy(), second.numpy(), direction, spacing_width, COLOURS[spacing_color])
    return torch.from_numpy(joined)


@node("ImagePadForOutpaint", category="image", display_name="Pad Image for Outpainting")
def image_pad_for_outpaint(
    image: Image,
    left: Padding = 0,
    top: Padding = 0,
    right: Padding = 0,
    bottom: Padding = 0,
    feathering: Side = 40,
) -> tuple[Image, Mask]:
    """Add grey at the edges for a model to paint over, and a mask of it that fades into the picture."""
    height, width = image.shape[1:3]
    check_size(left + width + right, top + height + bottom, len(image))
    mask = outpaint_mask(height, width, (left, top, right, bottom), feathering)
    return pad(image, (0, 0, left, right, top, bottom), value=GREY), torch.from_numpy(mask)[None]


@node(
    "ImageCompositeMasked",
    category="image",
    differs="A source without alpha is opaque on a destination with alpha; ComfyUI fails there.",
)
def image_composite_masked(
    destination: Image,
    source: Image,
    x: Side = 0,
    y: Side = 0,
    resize_source: bool = False,
    mask: Mask | None = None,
) -> Image:
    """Lay one picture over another at a place, where the mask is white; what sticks out is cut off."""
    source = match_channels(source, destination)[0][..., : destination.shape[-1]]
    below, above = destination.movedim(-1, 1), source.movedim(-1, 1)
    return composite(below, above, x, y, mask, resizes=resize_source).movedim(1, -1)


@node("ImageAddNoise", category="image")
def image_add_noise(
    image: Image,
    seed: Annotated[int, Range(0, 2**64 - 1), EditorOption("control_after_generate")] = 0,
    strength: Annotated[float, Range(0.0, 1.0, 0.01)] = 0.5,
) -> Image:
    """Add grain to pictures, the same for the same seed."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed))
    return (image + strength * noise).clamp(0, 1)


@node(
    "GetImageSize", category="image", display_name="Get Image Size", outputs=("width", "height", "batch_size")
)
def get_image_size(image: Image) -> tuple[int, int, int]:
    """Tell how large pictures are and how many."""
    count, height, width = image.shape[:3]
    return width, height, count
