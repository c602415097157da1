"""The shape of the image towers of CLIP and SigLIP, read off the names and shapes of their tensors."""

import math
from dataclasses import dataclass, replace

from bridge.errors import ModelError, ModelNotFound, UnsupportedModel
from bridge.models.catalogue import Catalogue
from bridge.models.family import require_kind
from bridge.models.header import Header, describing, read_header
from bridge.models.layout import Shapes, strip
from bridge.models.weights_file import weights_file

TRANSFORMERS_PREFIX = "vision_model."
OPEN_CLIP_PREFIX = "visual."
CHECKPOINT_PREFIX = "embedder.model."
"""Where the image tower of an unCLIP checkpoint begins. Source: v2-1-stable-unclip-h-inference.yaml,
Stability-AI/stablediffusion (``embedder``)."""
PATCH = 14
"""Pixels along a side of a patch of the towers that anything here was trained with."""

VIT_L, VIT_H, VIT_BIGG, SIGLIP = "ViT-L/14", "ViT-H/14", "ViT-bigG/14", "SigLIP SO400M/14"
KINDS_BY_WIDTH = {1024: VIT_L, 1280: VIT_H, 1664: VIT_BIGG, 1152: SIGLIP}
"""Width of hidden states → name.

Sources: Radford et al. 2021, table 20; OpenCLIP's model_configs (ViT-H-14, ViT-bigG-14); Alabdulmohsin et al.
2023, "Getting ViT in Shape", table 1 (SO400M).
"""

KINDS_BY_PROJECTION = {768: VIT_L, 1024: VIT_H, 1280: VIT_BIGG}
"""Width of image embeddings → name; sources as above."""

_SIGLIP_SIZES = {27: 384}
"""Patches along a side → pixels, where these are no whole patches. Source: siglip-so400m-patch14-384."""


@dataclass(frozen=True, slots=True)
class VisionLayout:
    """An image tower of CLIP or SigLIP.

    Args:
        width: Of its hidden states.
        inner_width: Of the inner layer of each block.
        layers: Number of blocks.
        positions: Patches of a picture and, for CLIP, one more, for the class token.
        projection: Width of the image embeddings; 0 if the file has no projection.
        is_open_clip: Whether names are OpenCLIP's instead of transformers'.
        is_siglip: Whether it is SigLIP's, which has neither class token nor projection.
        has_head: Whether SigLIP's head, which makes one embedding of a picture, is in the file.
    """

    width: int
    inner_width: int
    layers: int
    positions: int
    projection: int
    is_open_clip: bool = False
    is_siglip: bool = False
    has_head: bool = False

    @property
    def kind(self) -> str:
        """What people call it."""
        return KINDS_BY_WIDTH.get(self.width, f"a ViT of width {self.width}")

    @property
    def image_size(self) -> int:
        """Pixels along a side of the picture that it reads."""
        side = math.isqrt(self.positions if self.is_siglip else self.positions - 1)
        return _SIGLIP_SIZES.get(side, PATCH * side) if self.is_siglip else PATCH * side


@describing
def clip_vision(header: Header, name: str) -> VisionLayout:
    """Describe the image tower of a file: alone, or beside a text tower.

    Raises:
        ModelError: Code ``wrong_model_kind`` if the file is a checkpoint, a VAE …
        UnsupportedModel: If it is an image encoder of another kind.
    """
    require_kind(header, name, "clip_vision")
    layout = vision_layout(header.shapes)
    if layout is None:
        raise UnsupportedModel(
            f'"{name}" is an image encoder of an unknown shape',
            hint=f"CLIP's {VIT_L}, {VIT_H} and {VIT_BIGG}, and {SIGLIP}, are supported.",
        )
    if not layout.projection and not layout.is_siglip:
        raise ModelError(
            f'"{name}" is a CLIP vision model without its projection, which image embeddings come from',
            code="model_incomplete",
            hint="Get the version of it that ends in visual_projection (CLIPVisionModelWithProjection).",
        )
    return layout


@describing
def vision_of_checkpoint(header: Header, name: str) -> VisionLayout:
    """Describe the image tower in an unCLIP checkpoint.

    Raises:
        ModelError: Code ``model_incomplete`` if there is none.
    """
    layout = vision_layout(strip(header.shapes, CHECKPOINT_PREFIX))
    if layout is None or not layout.projection:
        raise without_image_encoder(name)
    return layout


def without_image_encoder(name: str) -> ModelError:
    """Return what is wrong with a checkpoint that is no unCLIP checkpoint."""
    return ModelError(
        f'checkpoint "{name}" brings no image encoder: it is no unCLIP checkpoint',
        code="model_incomplete",
        hint="Load it with CheckpointLoaderSimple, and an image encoder with CLIPVisionLoader.",
    )


def vision_layout(shapes: Shapes) -> VisionLayout | None:
    """Describe an image tower by the shapes of a file's tensors; ``None`` if it is none of these."""
    theirs = strip(shapes, OPEN_CLIP_PREFIX)
    if "transformer.resblocks.0.mlp.c_fc.weight" in theirs:
        names = ("conv1.weight", "positional_embedding", "transformer.resblocks.{}.mlp.c_fc.weight", "proj")
        return _layout(theirs, *names, "class_embedding", is_open_clip=True)
    mine = strip(shapes, TRANSFORMERS_PREFIX) or shapes
    if "embeddings.patch_embedding.bias" in mine:
        return _siglip_layout(mine)
    projection = shapes.get("visual_projection.weight")
    return _layout(
        {**mine, "proj": tuple(reversed(projection))} if projection else mine,
        "embeddings.patch_embedding.weight",
        "embeddings.position_embedding.weight",
        "encoder.layers.{}.mlp.fc1.weight",
        "proj",
        "embeddings.class_embedding",
        is_open_clip=False,
    )


def find_clip_vision(catalogue: Catalogue, kind: str, usual_name: str) -> str | None:
    """Return the name of a CLIP vision model of a kind; ``None`` if there is none.

    Files are judged by what they hold; the one that is named as usual is taken first. Damaged ones are
    passed over.

    Args:
        catalogue: Where to look.
        kind: ``VIT_L``, ``VIT_H``, ``VIT_BIGG`` or ``SIGLIP``.
        usual_name: How its publisher names the file, without the ending.
    """
    names = catalogue.names("clip_vision")
    for name in sorted(names, key=lambda name: usual_name.lower() not in name.lower()):
        path = catalogue.find("clip_vision", name)
        try:
            file = weights_file(path, "model") if path.is_dir() else path
            if clip_vision(read_header(file), name).kind == kind:
                return name
        except ModelError:
            continue
    return None


def _siglip_layout(shapes: Shapes) -> VisionLayout | None:
    names = (
        "embeddings.patch_embedding.weight",
        "embeddings.position_embedding.weight",
        "encoder.layers.{}.mlp.fc1.weight",
    )
    found = _layout(shapes, *names, "", "post_layernorm.weight", is_open_clip=False)
    if found is None:
        return None
    return replace(found, is_siglip=True, has_head="head.probe" in shapes)


def find_siglip(catalogue: Catalogue) -> str:
    """Return the name of a SigLIP among the CLIP vision models.

    Raises:
        ModelNotFound: If there is none.
    """
    name = find_clip_vision(catalogue, SIGLIP, "siglip-so400m-patch14-384")
    if name is None:
        raise ModelNotFound(
            f"there is no {SIGLIP} in clip_vision/",
            hint="Put sigclip_vision_patch14_384.safetensors there, or the folder siglip-so400m-patch14-384.",
        )
    return name


def _layout(
    shapes: Shapes, patch: str, positions: str, inner: str, projection: str, token: str, *, is_open_clip: bool
) -> VisionLayout | None:
    layers = 0
    while inner.format(layers) in shapes:
        layers += 1
    if not layers or token not in shapes or shapes.get(patch, ())[2:] != (PATCH, PATCH):
        return None
    return VisionLayout(
        width=shapes[patch][0],
        inner_width=shapes[inner.format(0)][0],
        layers=layers,
        positions=shapes.get(positions, (0,))[0],
        projection=shapes[projection][1] if projection in shapes else 0,
        is_open_clip=is_open_clip,
    )
