"""The image towers of CLIP and SigLIP: from pictures to embeddings of what they show."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bridge import models
from bridge.diffusion.device import memory_errors
from bridge.diffusion.ldm_names import Place, open_clip_places
from bridge.diffusion.libraries import transformers
from bridge.diffusion.opening import open_network
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.siglip import empty_siglip, siglip_config, siglip_names
from bridge.graph import Socket
from bridge.models import VisionLayout

if TYPE_CHECKING:
    from transformers import CLIPVisionModelWithProjection

Spread = tuple[tuple[float, float, float], tuple[float, float, float]]
"""Mean and deviation of the pictures that a tower was trained on, by channel."""

CLIP_SPREAD: Spread = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Source: openai/CLIP, clip/clip.py (``_transform``)."""

SIGLIP_SPREAD: Spread = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
"""Brings 0..1 to -1..1. Source: google-research/big_vision (``value_range(-1, 1)``)."""

_OPENAI_WIDTH = 1024
"""Of OpenAI's ViT-L/14, the only one here that was trained with QuickGELU."""

_OPEN_CLIP = {
    "embeddings.class_embedding": Place("class_embedding"),
    "embeddings.patch_embedding.weight": Place("conv1.weight"),
    "visual_projection.weight": Place("proj", is_transposed=True),
}


@dataclass(frozen=True, slots=True, eq=False)
class VisionTower:
    """An image tower of CLIP or SigLIP.

    Args:
        network: A ``CLIPVisionModelWithProjection``, or a ``SiglipVisionModel``.
        layout: Its shape.
        name: What the user calls it, for messages.
    """

    network: Network[Any]
    layout: VisionLayout
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class VisionOutput:
    """What a tower says of pictures; float32, on the CPU.

    Args:
        image_embeds: Projected, shape (B, projection); of SigLIP its last hidden states, as in ComfyUI.
        last_hidden_state: Of the last block, shape (B, positions, width); before the final norm, but for
            SigLIP.
        penultimate_hidden_states: Of the block before it, shape (B, positions, width).
        pooled: What SigLIP's head makes of the last, shape (B, width); ``None`` without a head.
    """

    image_embeds: Tensor
    last_hidden_state: Tensor
    penultimate_hidden_states: Tensor
    pooled: Tensor | None = None


ClipVision = Annotated[VisionTower, Socket("CLIP_VISION")]
ClipVisionOutput = Annotated[VisionOutput, Socket("CLIP_VISION_OUTPUT")]


def load_clip_vision(path: Path, name: str) -> VisionTower:
    """Open an image tower: a file in transformers' or OpenCLIP's naming, or transformers' folder.

    Raises:
        ModelError: If it is damaged, unsafe, or no CLIP vision model.
        UnsupportedModel: If it is an image encoder of another kind.
    """
    file = models.weights_file(path, "model") if path.is_dir() else path
    return _opened(file, models.clip_vision(models.read_header(file), path.name), name)


def vision_of_checkpoint(path: Path, name: str) -> VisionTower:
    """Open the image tower of an unCLIP checkpoint: of a single file, or of a folder in diffusers' layout.

    Raises:
        ModelError: If the checkpoint is damaged, unsafe, or brings none.
        UnsupportedModel: If it is an image encoder of another kind.
    """
    if path.is_dir():
        if not (path / "image_encoder").is_dir():
            raise models.without_image_encoder(name)
        return load_clip_vision(path / "image_encoder", name)
    layout = models.vision_of_checkpoint(models.read_header(path), path.name)
    return _opened(path, layout, name, models.CHECKPOINT_VISION_PREFIX)


def _opened(file: Path, layout: VisionLayout, name: str, prefix: str = "") -> VisionTower:
    if layout.is_siglip:
        build = functools.partial(empty_siglip, siglip_config(layout))
        network = open_network(f'CLIP vision "{name}"', build, file, siglip_names, finish=with_positions)
        return VisionTower(network, layout, name)
    config = vision_config(layout)
    network = open_network(
        f'CLIP vision "{name}"',
        lambda: empty_vision_tower(config),
        file,
        functools.partial(_open_clip_places, prefix=prefix) if layout.is_open_clip else lambda key: [key],
        finish=with_positions,
    )
    return VisionTower(network, layout, name)


def vision_config(layout: VisionLayout) -> dict[str, Any]:
    """Describe a tower to transformers.

    Shapes tell the rest. Sources: openai/clip-vit-large-patch14 and OpenCLIP's model_configs for ViT-H-14
    (``head_width: 80``) and ViT-bigG-14 (``head_width: 104``), all of 16 heads; QuickGELU in OpenAI's only;
    an epsilon of 1e-5, which is torch's, in all.
    """
    return {
        "hidden_size": layout.width,
        "intermediate_size": layout.inner_width,
        "projection_dim": layout.projection,
        "num_hidden_layers": layout.layers,
        "num_attention_heads": 16,
        "image_size": layout.image_size,
        "patch_size": models.VISION_PATCH,
        "hidden_act": "quick_gelu" if layout.width == _OPENAI_WIDTH else "gelu",
        "layer_norm_eps": 1e-5,
    }


def empty_vision_tower(config: dict[str, Any]) -> "CLIPVisionModelWithProjection":
    """Build a tower without weights."""
    with torch.device("meta"):
        return transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**config))


def with_positions(tower: Any) -> Any:
    """Give a tower the numbers of its positions, which no file holds."""
    embeddings = getattr(tower, "vision_model", tower).embeddings
    embeddings.position_ids = torch.arange(
        embeddings.num_positions, device=embeddings.position_embedding.weight.device
    )[None]
    return tower


def encode_pictures(
    tower: VisionTower, image: Tensor, *, crops: bool = True, mask: Tensor | None = None
) -> VisionOutput:
    """Embed what pictures show.

    Args:
        tower: Which embeds.
        image: Shape (B, H, W, 3), range 0..1.
        crops: Whether to cut the middle out of a picture that is no square, instead of squeezing it.
        mask: What to see of each, shape (B, H, W), range 0..1, cut as ``image`` is; the rest is grey.

    Raises:
        ModelError: If its file has gone bad.
        OutOfMemory: If it does not fit.
    """
    size, is_siglip = tower.layout.image_size, tower.layout.is_siglip
    spread = SIGLIP_SPREAD if is_siglip else CLIP_SPREAD
    pixels = preprocessed(image, size, crops=crops, spread=spread)
    if mask is not None:
        pixels = pixels * _scaled(mask[:, None], size, crops=crops)

    @torch.inference_mode()
    def encode() -> tuple[Tensor, ...]:
        module = tower.network.module()
        with memory_errors(f"looking at {len(image)} pictures with {tower.network.name}"):
            found = module(tower.network.placement.bring(pixels), output_hidden_states=True)
            last, penultimate = found.last_hidden_state, found.hidden_states[-2]
            if not is_siglip:
                return found.image_embeds, last, penultimate
            pooled = () if found.pooler_output is None else (found.pooler_output,)
            return last, last, penultimate, *pooled

    return VisionOutput(*(each.float().cpu().clone() for each in with_room(encode, keep=(tower.network,))))


def preprocessed(image: Tensor, size: int, *, crops: bool, spread: Spread = CLIP_SPREAD) -> Tensor:
    """Bring pictures to the size and the spread that a tower was trained on.

    The shorter side, or each, is scaled with antialiased cubic splines; then the middle is cut out, and
    values are rounded to 8 bits, as openai/CLIP's preprocessing does with Pillow.

    Args:
        image: Shape (B, H, W, 3), range 0..1.
        size: Pixels along a side.
        crops: Whether to keep the shape and cut.
        spread: Which the values get.

    Returns:
        Shape (B, 3, size, size).
    """
    pixels = _scaled(image[..., :3].movedim(-1, 1), size, crops=crops)
    pixels = (255.0 * pixels).clamp(0, 255).round() / 255.0
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in spread)
    return (pixels - mean) / deviation


def _scaled(planes: Tensor, size: int, *, crops: bool) -> Tensor:
    height, width = planes.shape[2:]
    if (height, width) == (size, size):
        return planes
    scale = size / min(height, width)
    new = (round(scale * height), round(scale * width)) if crops else (size, size)
    planes = interpolate(planes, size=new, mode="bicubic", antialias=True)
    top, left = (new[0] - size) // 2, (new[1] - size) // 2
    return planes[:, :, top : top + size, left : left + size]


def _open_clip_places(name: str, prefix: str) -> list[Place]:
    name = name.removeprefix("vision_model.")
    name = name.replace("pre_layrnorm.", "ln_pre.").replace("post_layernorm.", "ln_post.")
    places = [_OPEN_CLIP[name]] if name in _OPEN_CLIP else open_clip_places(name)
    return [each.under(f"{prefix}visual.") for each in places]
