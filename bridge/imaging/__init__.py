"""Pictures without a network: control images, colour, sizes, files. numpy, Pillow and OpenCV."""

from bridge.imaging.canny import canny, canny_of_render
from bridge.imaging.capture import Capture, open_frame
from bridge.imaging.colour import linear_to_srgb, over, srgb_to_linear, to_bytes, to_floats
from bridge.imaging.controls import ControlOptions, Controls, LineSource, make_controls, make_edges
from bridge.imaging.depth import (
    DepthRange,
    check_depth,
    depth_to_control,
    find_range,
    quantise_depth,
    restore_depth,
)
from bridge.imaging.edges import EdgeLimits, geometric_edges
from bridge.imaging.frame_file import load_frame, pack_frame, save_frame, unpack_frame
from bridge.imaging.frame_store import FrameStore
from bridge.imaging.normals import normals_from_depth, normals_to_control, unpack_normals
from bridge.imaging.numbering import expand_prefix, save_numbered
from bridge.imaging.paths import resolve_in
from bridge.imaging.picture import Picture, open_picture, read_picture
from bridge.imaging.planes import decode_plane, to_plane
from bridge.imaging.png import encode_png
from bridge.imaging.png_text import insert_texts, read_texts, read_workflow
from bridge.imaging.resize import Method, center_crop, check_size, latent_size, resize, resize_lines
from bridge.imaging.sheet import contact_sheet

__all__ = [
    "Capture",
    "ControlOptions",
    "Controls",
    "DepthRange",
    "EdgeLimits",
    "FrameStore",
    "LineSource",
    "Method",
    "Picture",
    "canny",
    "canny_of_render",
    "center_crop",
    "check_depth",
    "check_size",
    "contact_sheet",
    "decode_plane",
    "depth_to_control",
    "encode_png",
    "expand_prefix",
    "find_range",
    "geometric_edges",
    "insert_texts",
    "latent_size",
    "linear_to_srgb",
    "load_frame",
    "make_controls",
    "make_edges",
    "normals_from_depth",
    "normals_to_control",
    "open_frame",
    "open_picture",
    "over",
    "pack_frame",
    "quantise_depth",
    "read_picture",
    "read_texts",
    "read_workflow",
    "resize",
    "resize_lines",
    "resolve_in",
    "restore_depth",
    "save_frame",
    "save_numbered",
    "srgb_to_linear",
    "to_bytes",
    "to_floats",
    "to_plane",
    "unpack_frame",
    "unpack_normals",
]
