"""Fooocus' inpainting: a patch that makes any SDXL checkpoint one for inpainting, and a head that shows it
the masked picture.

The head reads mask and latents, and what it says is added to what the UNet's first convolution does. The
patch is the difference of all weights, each stored as bytes between its least and its greatest value.

Source: Fooocus (lllyasviel, github.com/lllyasviel/Fooocus), the layout of its files
``fooocus_inpaint_head.pth`` and ``inpaint_v26.fooocus.patch``.
"""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad

from bridge.diffusion.device import memory_errors
from bridge.diffusion.ldm_names import blocks_per_level, unet_names
from bridge.diffusion.opening import open_network
from bridge.diffusion.patching import Change, patched, twin_of, variant
from bridge.diffusion.residency import Network, with_room
from bridge.diffusion.types import DiffusionModel, LatentBatch
from bridge.errors import InputError, ModelError, UnsupportedModel
from bridge.graph import Socket
from bridge.models import Family, Header, read_header

PREFIX = "diffusion_model."
"""What the names of the patch begin with; the UNet's names in the original style follow."""

PARTS = (".0", ".1", ".2")
"""How the names of a patch end: the bytes, the least value, the greatest value."""

_LATENT_CHANNELS = 4


class InpaintHead(nn.Module):
    """Mask and latents (B, 5, h, w) → what to add behind the first convolution, (B, C, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Parameter(torch.empty(width, 1 + _LATENT_CHANNELS, 3, 3))

    def forward(self, seen: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = torch.conv2d(pad(seen, (1, 1, 1, 1), "replicate"), self.head)
        return features


@dataclass(frozen=True, slots=True, eq=False)
class FooocusInpaint:
    """The head and the patch.

    Args:
        head: The network.
        patch: The file.
        header: Of the patch.
        name: What the user calls the patch.
    """

    head: Network[InpaintHead]
    patch: Path
    header: Header
    name: str


InpaintPatch = Annotated[FooocusInpaint, Socket("INPAINT_PATCH")]


def load_fooocus(head: Path, head_name: str, patch: Path, patch_name: str) -> FooocusInpaint:
    """Open both files.

    Raises:
        ModelError: If one is damaged, unsafe, or something else.
    """
    shape = read_header(head).shapes.get("head", ())
    if len(shape) != 4 or shape[1:] != (1 + _LATENT_CHANNELS, 3, 3):
        raise _not_a("head of Fooocus' inpainting", head_name)
    header = read_header(patch)
    if not any(name.startswith(PREFIX) and name.endswith(PARTS[2]) for name in header.tensors):
        raise _not_a("patch of Fooocus' inpainting", patch_name)
    build = functools.partial(_empty_head, shape[0])
    network = open_network(f'inpainting head "{head_name}"', build, head, lambda name: [name])
    return FooocusInpaint(network, patch, header, patch_name)


def apply_fooocus(model: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch) -> DiffusionModel:
    """Return a model that fills the mask of latents.

    Args:
        model: An SDXL checkpoint.
        inpaint: Head and patch.
        latents: Of the picture, grey where it is masked; with the mask, (B, 1, H, W) in pixels.

    Raises:
        UnsupportedModel: If the model is no SDXL.
        ModelError: ``model_mismatch`` if the patch was made for another UNet; ``model_corrupt``.
        InputError: If the latents have no mask.
    """
    if model.family is not Family.SDXL:
        raise UnsupportedModel(
            f"Fooocus' inpainting is for SDXL; {model.unet.name} belongs to {model.family.value}",
            hint="Use an SDXL checkpoint, or an inpainting checkpoint.",
        )
    if "noise_mask" not in latents:
        raise InputError(
            "the latents have no mask", input_name="latent", hint="Use VAE Encode & Inpaint Conditioning."
        )
    patch = FooocusPatch(inpaint, _parameters(model.unet, inpaint))
    features = _features(model, inpaint, latents)
    unet = variant(
        patched(model.unet, patch), "inpainting head", functools.partial(_headed, features=features)
    )
    return replace(model, unet=unet)


@dataclass(frozen=True, slots=True)
class FooocusPatch:
    """The differences of weights; see ``patching.Patch``.

    Args:
        inpaint: Has the file.
        keys: Parameter of the UNet → its name in the file, without ``PARTS``.
    """

    inpaint: FooocusInpaint
    keys: Mapping[str, str]

    @property
    def label(self) -> str:
        """What it is, for messages."""
        return f'inpainting patch "{self.inpaint.name}"'

    @property
    def names(self) -> Collection[str]:
        """The parameters it changes."""
        return self.keys.keys()

    def changes(self) -> Mapping[str, Change]:
        """Return what adds each difference, read as it is needed."""
        return {name: functools.partial(self._add, key) for name, key in self.keys.items()}

    def _add(self, key: str, weight: Tensor) -> Tensor:
        try:
            with safe_open(self.inpaint.patch, framework="pt") as file:
                stored, least, greatest = (file.get_tensor(key + part) for part in PARTS)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f'"{self.inpaint.name}" cannot be read any more: {error}',
                code="model_corrupt",
                hint="Download it again.",
            ) from error
        with memory_errors(f"adding {self.label}"):
            low, high = (each.to(weight.device, torch.float32) for each in (least, greatest))
            changed: Tensor = weight + stored.to(weight.device, torch.float32) / 255 * (high - low) + low
            return changed


class HeadedConvolution(nn.Conv2d):
    """A convolution that adds features to what it gives.

    Attributes:
        features: Shape (B, C, h, w).
    """

    features: Tensor

    def forward(self, input: Tensor) -> Tensor:
        """Return the sum; of a batch, each picture with its own features, going round."""
        here = super().forward(input)
        if here.shape[1:] != self.features.shape[1:]:
            (height, width), (mine, other) = here.shape[2:], self.features.shape[2:]
            raise InputError(
                f"latents of {width}×{height} are sampled, the mask was given for {other}×{mine}",
                hint="Sample the latents that Apply Fooocus Inpaint was given.",
            )
        features = self.features.to(here)
        return here + features.repeat(-(-len(here) // len(features)), 1, 1, 1)[: len(here)]


def _empty_head(width: int) -> InpaintHead:
    with torch.device("meta"):
        return InpaintHead(width)


def _headed(unet: Any, features: Tensor) -> Any:
    twin = twin_of(unet, ["conv_in.weight"])
    twin.conv_in.__class__ = HeadedConvolution
    twin.conv_in.features = features
    return twin


def _features(model: DiffusionModel, inpaint: FooocusInpaint, latents: LatentBatch) -> Tensor:
    """Run the head; shape (B, C, h, w), on the CPU."""
    pixels = latents["samples"] * model.scaling_factor
    mask = max_pool2d(latents["noise_mask"].round(), model.latent_factor).round()
    seen = torch.cat((mask.expand(len(pixels), -1, -1, -1), pixels), dim=1)

    @torch.inference_mode()
    def call() -> Tensor:
        head = inpaint.head.module()
        with memory_errors(f"running {inpaint.head.name}"):
            return head(inpaint.head.placement.bring(seen)).float().cpu()  # type: ignore[no-any-return]

    return with_room(call, keep=(inpaint.head,)).clone()


def _parameters(unet: Network[Any], inpaint: FooocusInpaint) -> dict[str, str]:
    """Return parameter → its name in the patch, all checked.

    Raises:
        ModelError: ``model_mismatch``.
    """
    shapes = inpaint.header.shapes
    blocks = blocks_per_level(unet.shapes)
    found: dict[str, str] = {}
    for name, shape in unet.shapes.items():
        for key in (PREFIX + original for original in unet_names(name, blocks)):
            if key + PARTS[0] in shapes:
                if shapes[key + PARTS[0]] != shape:
                    raise _mismatch(inpaint, key, shape)
                found[name] = key
    if not found:
        raise _mismatch(inpaint, PREFIX, ())
    return found


def _mismatch(inpaint: FooocusInpaint, key: str, shape: tuple[int, ...]) -> ModelError:
    return ModelError(
        f'"{inpaint.name}" does not fit the checkpoint: "{key}" for a weight of shape {list(shape)}',
        code="model_mismatch",
        hint="Use a checkpoint made from SDXL's base.",
    )


def _not_a(what: str, name: str) -> ModelError:
    return ModelError(
        f'"{name}" is no {what}',
        code="wrong_model_kind",
        hint="docs/clients.md says which files it takes, and how to make safetensors of them.",
    )
