"""Depth Anything V2: how near everything in a picture is, as depth ControlNets read it.

The network is transformers' own; files in the naming of its authors and in that of transformers both open.

Source: Yang et al. 2024, "Depth Anything V2", and its code, github.com/DepthAnything/Depth-Anything-V2:
names, sizes, and how pictures are prepared.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge.diffusion.device import Placement, memory_errors
from bridge.diffusion.ldm_names import Place
from bridge.diffusion.libraries import transformers
from bridge.diffusion.model_folders import job_catalogue
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network, with_room
from bridge.engine import current_job
from bridge.errors import ModelError, ModelNotFound
from bridge.models import Catalogue, Shape, read_header

if TYPE_CHECKING:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

SIZES: Mapping[str, str] = {"vits": "small", "vitb": "base", "vitl": "large", "vitg": "giant"}
"""What the authors' file names say → what transformers' folders are called by."""

FOLDER = "depth"

PATCH = 14
SIDE = 518
"""Pixels of the shorter side that the network sees, a multiple of ``PATCH``."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures, which the network was trained with."""

_LAYERS: Mapping[int, Sequence[int]] = {12: (3, 6, 9, 12), 24: (5, 12, 18, 24), 40: (10, 20, 30, 40)}
"""Depth of the encoder → the layers that the head reads."""

_HEAD_WIDTH = 64

_RENAMED = (
    (r"backbone\.embeddings\.(cls_token)", r"pretrained.\1"),
    (r"backbone\.embeddings\.position_embeddings", "pretrained.pos_embed"),
    (r"backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj"),
    (r"backbone\.encoder\.layer\.(\d+)\.layer_scale(\d)\.lambda1", r"pretrained.blocks.\1.ls\2.gamma"),
    (r"backbone\.encoder\.layer\.(\d+)\.attention\.o_proj", r"pretrained.blocks.\1.attn.proj"),
    (r"backbone\.encoder\.layer\.(\d+)\.mlp\.(down_proj|weights_out)", r"pretrained.blocks.\1.mlp.w3"),
    (r"backbone\.encoder\.layer\.(\d+)\.mlp\.weights_in", r"pretrained.blocks.\1.mlp.w12"),
    (r"backbone\.encoder\.layer\.(\d+)\.", r"pretrained.blocks.\1."),
    (r"backbone\.layernorm", "pretrained.norm"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1"),
    (r"neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1"),
    (r"head\.conv1", "depth_head.scratch.output_conv1"),
    (r"head\.conv2", "depth_head.scratch.output_conv2.0"),
    (r"head\.conv3", "depth_head.scratch.output_conv2.2"),
)
"""Names of transformers → of the authors, where no number changes."""

_ATTENTION = re.compile(r"backbone\.encoder\.layer\.(\d+)\.attention\.([qkv])_proj\.(\w+)")
_GATED = re.compile(r"backbone\.encoder\.layer\.(\d+)\.mlp\.(gate|up)_proj\.(\w+)")
_FUSION = re.compile(r"neck\.fusion_stage\.layers\.(\d)\.(.+)")
_CONVOLUTIONS = re.compile(r"neck\.convs\.(\d)\.(.+)")


def find_depth_anything(catalogue: Catalogue, wanted: str) -> tuple[Path, str]:
    """Return the file of a size, and its name, whatever exactly it is called.

    Args:
        catalogue: The models.
        wanted: The authors' name: ``depth_anything_v2_vitl.pth``.

    Raises:
        ModelNotFound: If there is none.
    """
    stem = wanted.removesuffix(".pth")
    marks = stem, f"depth-anything-v2-{SIZES[stem.rpartition('_')[2]]}"
    for name, path in catalogue.paths(FOLDER).items():
        if any(mark in name.lower() for mark in marks):
            return (next(path.glob("*.safetensors")) if path.is_dir() else path), name
    raise ModelNotFound(
        f'no model folder has "{stem}.safetensors" in {FOLDER}/',
        hint=f"Make it of the authors' file: python -m bridge.diffusion.unpickling {wanted}",
    )


async def estimate_depth(image: Tensor, wanted: str) -> Tensor:
    """Say how near what pictures show is.

    Args:
        image: Shape (B, H, W, 3), range 0..1.
        wanted: The authors' name of a network.

    Returns:
        Shape (B, H, W), float32, on the CPU: in each picture 1 is nearest and 0 farthest.

    Raises:
        ModelError: If the network is not there, or damaged.
        OutOfMemory: If a picture does not fit.
        Interrupted: If the job was cancelled.
    """
    path, name = find_depth_anything(job_catalogue(), wanted)
    network = load_depth_anything(path, name)
    found = []
    for index in range(len(image)):
        async with current_job().step():
            found.append(_run(network, image[index : index + 1].movedim(-1, 1)))
        current_job().progress(index + 1, len(image))
    return torch.cat(found)


@functools.cache
def load_depth_anything(path: Path, name: str) -> "Network[DepthAnythingForDepthEstimation]":
    """Open a network; the one handle of a file.

    Raises:
        ModelError: If it is damaged, unsafe, or something else.
    """
    shapes = read_header(path).shapes
    config = _described({_of_authors(key): shape for key, shape in shapes.items()})
    if config is None:
        raise ModelError(
            f'"{name}" is no Depth Anything V2',
            code="wrong_model_kind",
            hint="docs/upscaling.md says which files it takes.",
        )
    build = functools.partial(_empty, config)
    label = f'depth network "{name}"'
    return open_network(label, build, path, _places, place=Placement.for_pictures)


def _places(name: str) -> list[str | Place]:
    """Return where a parameter may lie: under transformers' name, new or old, or the authors'."""
    if match := _ATTENTION.fullmatch(name):
        row = "qkv".index(match[2])
        before = f"attention.attention.{('query', 'key', 'value')[row]}"
        older = f"backbone.encoder.layer.{match[1]}.{before}.{match[3]}"
        return [name, older, Place(f"pretrained.blocks.{match[1]}.attn.qkv.{match[3]}", (row, row + 1, 3))]
    if match := _GATED.fullmatch(name):
        row = ("gate", "up").index(match[2])
        whole = f"backbone.encoder.layer.{match[1]}.mlp.weights_in.{match[3]}"
        return [name, *(Place(each, (row, row + 1, 2)) for each in (whole, _of_authors(whole)))]
    older = name.replace(".attention.o_proj.", ".attention.output.dense.")
    older = older.replace(".mlp.down_proj.", ".mlp.weights_out.")
    return list(dict.fromkeys((name, older, _of_authors(name))))


def _of_authors(name: str) -> str:
    """Return the authors' name of a parameter; they count fusions from the finest, from 1 on."""
    if match := _FUSION.fullmatch(name):
        rest = match[2].replace("projection", "out_conv")
        rest = re.sub(r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2", rest)
        return f"depth_head.scratch.refinenet{4 - int(match[1])}.{rest}"
    if match := _CONVOLUTIONS.fullmatch(name):
        return f"depth_head.scratch.layer{int(match[1]) + 1}_rn.{match[2]}"
    for pattern, replacement in _RENAMED:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def _described(shapes: Mapping[str, Shape]) -> "DepthAnythingConfig | None":
    """Return what a network looks like, by shapes under the authors' names; ``None`` if it is another."""
    places = shapes.get("pretrained.pos_embed", ())
    necks = [shapes.get(f"depth_head.projects.{index}.weight", ()) for index in range(4)]
    head = shapes.get("depth_head.scratch.output_conv2.0.weight", ())
    blocks = {match[1] for name in shapes if (match := re.match(r"pretrained\.blocks\.(\d+)\.", name))}
    if len(places) != 3 or not all(necks) or not head or len(blocks) < 4:
        return None
    depth = len(blocks)
    encoder = transformers.Dinov2Config(
        hidden_size=places[2],
        num_hidden_layers=depth,
        num_attention_heads=max(1, places[2] // _HEAD_WIDTH),
        image_size=round((places[1] - 1) ** 0.5) * PATCH,
        patch_size=PATCH,
        use_swiglu_ffn="pretrained.blocks.0.mlp.w12.weight" in shapes,
        use_mask_token=False,
        out_indices=list(_LAYERS.get(depth, tuple(depth * quarter // 4 for quarter in range(1, 5)))),
        reshape_hidden_states=False,
    )
    return transformers.DepthAnythingConfig(
        backbone_config=encoder,
        reassemble_hidden_size=places[2],
        neck_hidden_sizes=[shape[0] for shape in necks],
        fusion_hidden_size=2 * head[1],
        head_hidden_size=head[0],
        patch_size=PATCH,
    )


def _empty(config: "DepthAnythingConfig") -> "DepthAnythingForDepthEstimation":
    with torch.device("meta"):
        return transformers.DepthAnythingForDepthEstimation(config).eval()


def _run(network: "Network[DepthAnythingForDepthEstimation]", image: Tensor) -> Tensor:
    """Run the network on one picture (1, 3, H, W); range 0..1."""
    height, width = image.shape[2:]
    scale = SIDE / min(height, width)
    size = tuple(max(PATCH, round(side * scale / PATCH) * PATCH) for side in (height, width))
    seen = interpolate(image, size, mode="bicubic", antialias=True)
    mean, deviation = (image.new_tensor(each)[:, None, None] for each in (MEAN, DEVIATION))

    @torch.inference_mode()
    def call() -> Tensor:
        module = network.module()
        with memory_errors(f"estimating the depth of {width}×{height} pixels"):
            pixels = network.placement.bring((seen - mean) / deviation)
            depth: Tensor = module(pixels).predicted_depth.float().cpu()
            return depth

    depth = with_room(call, keep=(network,)).clone()
    depth = interpolate(depth[:, None], (height, width), mode="bilinear", align_corners=True)[:, 0]
    low, high = depth.amin(), depth.amax()
    return (depth - low) / (high - low).clamp(min=1e-6)
