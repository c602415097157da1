"""Pictures without a network: control images, colour, sizes, files. numpy, Pillow and OpenCV."""

from bridge.imaging.animation import encode_animated_png, encode_animated_webp
from bridge.imaging.annotation import canny_of_photo, in_steps, padded, scribble, to_resolution
from bridge.imaging.arrays import ImageBytes
from bridge.imaging.blending import BlendMode, CompositeMode, blend, porter_duff
from bridge.imaging.blur import gaussian_blur, sharpen
from bridge.imaging.canny import canny, canny_of_render
from bridge.imaging.capture import Capture, open_frame
from bridge.imaging.clip_picture import Position, Resampling, squared_for_clip
from bridge.imaging.colour import (
    GREY,
    channels_of,
    cut_to_bytes,
    linear_to_srgb,
    over,
    rgb_to_ycbcr,
    srgb_to_linear,
    to_bytes,
    to_floats,
    ycbcr_to_rgb,
)
from bridge.imaging.controls import ControlOptions, Controls, LineSource, make_controls, make_edges
from bridge.imaging.coverage import captured_color, coverage, names_in, one_after_another, shaped
from bridge.imaging.depth import (
    DepthRange,
    check_depth,
    depth_to_control,
    find_range,
    quantise_depth,
    restore_depth,
)
from bridge.imaging.edges import EdgeLimits, geometric_edges
from bridge.imaging.exif_text import has_exif, read_exif_workflow
from bridge.imaging.frame_file import load_frame, pack_frame, save_frame, unpack_frame
from bridge.imaging.frame_store import FrameStore
from bridge.imaging.grid_sheet import Cell, grid_sheet
from bridge.imaging.host_picture import host_picture
from bridge.imaging.masks import MaskOperation, combine_masks, feather_mask, grow_mask, outpaint_mask
from bridge.imaging.morphology import MorphologyOperation, morphology
from bridge.imaging.normals import normals_from_depth, normals_to_control, unpack_normals
from bridge.imaging.numbering import expand_prefix, save_numbered, take_number
from bridge.imaging.output_file import output_entry, output_stem, workflow_texts, writing_to
from bridge.imaging.picture import Picture, decode_picture, open_picture, read_picture, read_pictures
from bridge.imaging.plane_files import packed
from bridge.imaging.planes import decode_plane, to_plane
from bridge.imaging.png import encode_png
from bridge.imaging.png_text import insert_texts, read_texts, read_workflow
from bridge.imaging.quantize import Dither, quantize
from bridge.imaging.resize import Method, center_crop, check_size, latent_size, resize, resize_lines
from bridge.imaging.selections import (
    Filling,
    Softness,
    fill_blurred,
    fill_hole,
    match_colours,
    narrow,
    soften,
    widen,
)
from bridge.imaging.sheet import contact_sheet
from bridge.imaging.stitch import Direction, stitch

__all__ = [
    "GREY",
    "BlendMode",
    "Capture",
    "Cell",
    "CompositeMode",
    "ControlOptions",
    "Controls",
    "DepthRange",
    "Direction",
    "Dither",
    "EdgeLimits",
    "Filling",
    "FrameStore",
    "ImageBytes",
    "LineSource",
    "MaskOperation",
    "Method",
    "MorphologyOperation",
    "Picture",
    "Position",
    "Resampling",
    "Softness",
    "blend",
    "canny",
    "canny_of_photo",
    "canny_of_render",
    "captured_color",
    "center_crop",
    "channels_of",
    "check_depth",
    "check_size",
    "combine_masks",
    "contact_sheet",
    "coverage",
    "cut_to_bytes",
    "decode_picture",
    "decode_plane",
    "depth_to_control",
    "encode_animated_png",
    "encode_animated_webp",
    "encode_png",
    "expand_prefix",
    "feather_mask",
    "fill_blurred",
    "fill_hole",
    "find_range",
    "gaussian_blur",
    "geometric_edges",
    "grid_sheet",
    "grow_mask",
    "has_exif",
    "host_picture",
    "in_steps",
    "insert_texts",
    "latent_size",
    "linear_to_srgb",
    "load_frame",
    "make_controls",
    "make_edges",
    "match_colours",
    "morphology",
    "names_in",
    "narrow",
    "normals_from_depth",
    "normals_to_control",
    "one_after_another",
    "open_frame",
    "open_picture",
    "outpaint_mask",
    "output_entry",
    "output_stem",
    "over",
    "pack_frame",
    "packed",
    "padded",
    "porter_duff",
    "quantise_depth",
    "quantize",
    "read_exif_workflow",
    "read_picture",
    "read_pictures",
    "read_texts",
    "read_workflow",
    "resize",
    "resize_lines",
    "restore_depth",
    "rgb_to_ycbcr",
    "save_frame",
    "save_numbered",
    "scribble",
    "shaped",
    "sharpen",
    "soften",
    "squared_for_clip",
    "srgb_to_linear",
    "stitch",
    "take_number",
    "to_bytes",
    "to_floats",
    "to_plane",
    "to_resolution",
    "unpack_frame",
    "unpack_normals",
    "widen",
    "workflow_texts",
    "writing_to",
    "ycbcr_to_rgb",
]
