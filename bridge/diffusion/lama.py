"""LaMa: a network that fills masks with what is likely behind them, without a prompt.

Its residual blocks convolve two branches, one of them through the picture's spectrum, so that each place
sees the whole picture.

Source: Suvorov et al. 2022, "Resolution-robust Large Mask Inpainting with Fourier Convolutions", and its
code, github.com/advimman/lama (Apache-2.0): the layout of ``big-lama``.
"""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, interpolate, pad

from bridge.diffusion.device import Placement, memory_errors
from bridge.diffusion.opening import open_network
from bridge.diffusion.pictures import fit_mask, scale_image
from bridge.diffusion.residency import Network, with_room
from bridge.engine import current_job
from bridge.errors import ModelError, UnsupportedModel
from bridge.graph import Socket
from bridge.models import Header, Shape, read_header

SIDE = 256
"""Of the square in which masks are filled, pixels; what the network was trained on."""

PREFIXES = ("model.model.", "generator.model.", "model.", "")
"""What files put in front of the generator's layers."""

HALF, SELECTED = 0.5, 0.99
"""Of a mask: what is filled, and what of that is shown."""

GLOBAL_SHARE = 0.75
"""Of the channels of residual blocks, those that see the spectrum."""

DOWNS = 3
"""How often the picture is halved."""

_MAT = "synthesis.first_stage"
_FIRST_BLOCK = 2 + DOWNS
_BLOCK = re.compile(r"(\d+)\.conv1\.ffc\.convl2l\.weight")


@dataclass(frozen=True, slots=True, eq=False)
class InpaintNetwork:
    """A network that fills masks."""

    network: Network["Generator"]


InpaintModel = Annotated[InpaintNetwork, Socket("INPAINT_MODEL")]


class Norm(nn.Module):
    """Normalisation by what was measured in training."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))
        self.register_buffer("running_mean", torch.empty(channels))
        self.register_buffer("running_var", torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W)."""
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


class FourierUnit(nn.Module):
    """A convolution of the spectrum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = Norm(2 * channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the spectrum becomes, back in space; (B, C, H, W)."""
        batch, channels, height, width = x.shape
        spectrum = torch.view_as_real(torch.fft.rfftn(x, dim=(-2, -1), norm="ortho"))
        flat = spectrum.permute(0, 1, 4, 2, 3).reshape(batch, 2 * channels, height, width // 2 + 1)
        flat = self.bn(self.conv_layer(flat)).relu()
        parts = flat.view(batch, channels, 2, height, width // 2 + 1).permute(0, 1, 3, 4, 2).contiguous()
        changed: Tensor = torch.fft.irfftn(
            torch.view_as_complex(parts), s=(height, width), dim=(-2, -1), norm="ortho"
        )
        return changed


class SpectralTransform(nn.Module):
    """A residual convolution of the spectrum, in half the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), Norm(half), nn.ReLU())
        self.fu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the change; (B, C, H, W)."""
        x = self.conv1(x)
        changed: Tensor = self.conv2(x + self.fu(x))
        return changed


class FastFourierConvolution(nn.Module):
    """A convolution of a local and a global branch, with normalisation.

    Args:
        inputs: Channels of both branches.
        outputs: Channels of both branches; no global one in, no spectrum.
        size: Of the kernel.
        stride: Its steps.
        padding: At the borders, which are mirrored.
    """

    def __init__(
        self, inputs: tuple[int, int], outputs: tuple[int, int], size: int, stride: int, padding: int
    ) -> None:
        super().__init__()

        def convolution(here: int, there: int) -> nn.Module:
            return nn.Conv2d(here, there, size, stride, padding, bias=False, padding_mode="reflect")

        (local, seeing), (to_local, to_seeing) = inputs, outputs
        self.ffc = nn.ModuleDict({"convl2l": convolution(local, to_local)})
        self.bn_l = Norm(to_local)
        if to_seeing:
            self.ffc["convl2g"] = convolution(local, to_seeing)
            self.bn_g = Norm(to_seeing)
        if seeing:
            self.ffc["convg2l"] = convolution(seeing, to_local)
            self.ffc["convg2g"] = SpectralTransform(seeing)

    def forward(self, local: Tensor, seeing: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return both branches."""
        to_local = self.ffc["convl2l"](local)
        to_seeing = self.ffc["convl2g"](local) if "convl2g" in self.ffc else None
        if seeing is not None:
            to_local = to_local + self.ffc["convg2l"](seeing)
            to_seeing = to_seeing + self.ffc["convg2g"](seeing)
        return self.bn_l(to_local).relu(), None if to_seeing is None else self.bn_g(to_seeing).relu()


class ResidualBlock(nn.Module):
    """Two convolutions of both branches, added to what came."""

    def __init__(self, channels: tuple[int, int]) -> None:
        super().__init__()
        self.conv1, self.conv2 = (FastFourierConvolution(channels, channels, 3, 1, 1) for _ in range(2))

    def forward(self, local: Tensor, seeing: Tensor) -> tuple[Tensor, Tensor]:
        """Return both branches."""
        more, wide = self.conv2(*self.conv1(local, seeing))
        return local + more, seeing + wide


class Generator(nn.Module):
    """The whole network; its layers are numbered as in the files.

    Args:
        width: Channels behind the first convolution.
        blocks: Residual blocks.
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        deepest = width * 2**DOWNS
        seeing = int(GLOBAL_SHARE * deepest)
        split = (deepest - seeing, seeing)
        self.layers = nn.ModuleDict({"1": FastFourierConvolution((4, 0), (width, 0), 7, 1, 0)})
        for level in range(DOWNS):
            outputs = split if level == DOWNS - 1 else (width * 2 ** (level + 1), 0)
            self.layers[str(2 + level)] = FastFourierConvolution((width * 2**level, 0), outputs, 3, 2, 1)
        for index in range(blocks):
            self.layers[str(_FIRST_BLOCK + index)] = ResidualBlock(split)
        place = _FIRST_BLOCK + blocks + 1
        for level in reversed(range(DOWNS)):
            channels = width * 2**level
            self.layers[str(place)] = nn.ConvTranspose2d(2 * channels, channels, 3, 2, 1, output_padding=1)
            self.layers[str(place + 1)] = Norm(channels)
            place += 3
        self.layers[str(place + 1)] = nn.Conv2d(width, 3, 7)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Fill masks (B, 1, H, W) of pictures (B, 3, H, W), 0..1; sides are multiples of 8."""
        local = pad(torch.cat((image * (1 - mask), mask), dim=1), (3, 3, 3, 3), "reflect")
        seeing: Tensor | None = None
        for layer in self.layers.values():
            if isinstance(layer, FastFourierConvolution | ResidualBlock):
                local, seeing = layer(local, seeing)
                continue
            if seeing is not None:
                local, seeing = torch.cat((local, seeing), dim=1), None
            if isinstance(layer, Norm):
                local = layer(local).relu()
            else:
                local = layer(
                    local if isinstance(layer, nn.ConvTranspose2d) else pad(local, (3,) * 4, "reflect")
                )
        return mask * local.sigmoid() + (1 - mask) * image


def load_inpaint_model(path: Path, name: str) -> InpaintNetwork:
    """Open LaMa.

    Raises:
        ModelError: If it is damaged, unsafe, or something else.
        UnsupportedModel: If it is MAT.
    """
    header = read_header(path)
    if any(key.startswith(_MAT) for key in header.tensors):
        raise UnsupportedModel(f'"{name}" is MAT, which is not offered', hint="Use LaMa: big-lama.")
    found = _described(header)
    if found is None:
        raise ModelError(
            f'"{name}" is no network that fills masks', code="wrong_model_kind", hint="Use LaMa: big-lama."
        )
    prefix, width, blocks = found
    network = open_network(
        f'inpainting model "{name}"',
        functools.partial(_empty, width, blocks),
        path,
        lambda key: [prefix + key.removeprefix("layers.")],
        place=Placement.in_float32,  # as spectra are
    )
    return InpaintNetwork(network)


async def inpaint(model: InpaintNetwork, image: Tensor, mask: Tensor) -> Tensor:
    """Fill masks in squares of ``SIDE`` pixels.

    Args:
        model: The network.
        image: Shape (B, H, W, 3), range 0..1.
        mask: Shape (1 or B, h, w), range 0..1; from ``HALF`` on it is filled.

    Returns:
        Shape (B, SIDE, SIDE, 3), the pictures stretched; range 0..1, float32, on the CPU.

    Raises:
        OutOfMemory: If it does not fit.
        Interrupted: If the job was cancelled.
    """
    pictures = interpolate(image[..., :3].movedim(-1, 1), (SIDE, SIDE), mode="area")
    masks = (interpolate(fit_mask(mask, image)[:, None], (SIDE, SIDE), mode="area") >= HALF).float()
    filled = []
    for index in range(len(pictures)):
        async with current_job().step():
            filled.append(_run(model.network, pictures[index : index + 1], masks[index : index + 1]))
        current_job().progress(index + 1, len(pictures))
    return torch.cat(filled).movedim(1, -1).clamp(0, 1)


def lay_into(image: Tensor, filled: Tensor, mask: Tensor) -> Tensor:
    """Stretch filled pictures to the size of others, and lay them where masks select fully.

    Args:
        image: Shape (B, H, W, 3 or 4), range 0..1; alpha is left away.
        filled: Shape (B, h, w, 3), range 0..1.
        mask: Shape (1 or B, h', w'), range 0..1.
    """
    height, width = image.shape[1:3]
    stretched = scale_image(filled, width, height, "bilinear")
    return torch.where((fit_mask(mask, image) >= SELECTED)[..., None], stretched, image[..., :3])


def _run(network: Network[Generator], image: Tensor, mask: Tensor) -> Tensor:
    @torch.inference_mode()
    def call() -> Tensor:
        module = network.module()
        bring = network.placement.bring
        with memory_errors(f"filling a mask with {network.name}"):
            return module(bring(image), bring(mask)).float().cpu()  # type: ignore[no-any-return]

    return with_room(call, keep=(network,)).clone()


def _empty(width: int, blocks: int) -> Generator:
    with torch.device("meta"):
        return Generator(width, blocks)


def _described(header: Header) -> tuple[str, int, int] | None:
    """Return the prefix, the first width and the number of blocks; ``None`` if it is no LaMa."""
    shapes = header.shapes
    for prefix in PREFIXES:
        first: Shape = shapes.get(f"{prefix}1.ffc.convl2l.weight", ())
        if len(first) == 4 and first[1:] == (4, 7, 7):
            names = [name.removeprefix(prefix) for name in shapes if name.startswith(prefix)]
            return prefix, first[0], sum(_BLOCK.fullmatch(name) is not None for name in names)
    return None
