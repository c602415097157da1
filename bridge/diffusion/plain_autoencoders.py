"""Stand-ins for a VAE: TAESD, which is small and quick, and pixel space, which leaves pictures as they are.

TAESD (Bohan, https://github.com/madebyollin/taesd) comes as an encoder and a decoder. Files that hold
both, as a node that saves a VAE writes them, also say how latents are scaled and shifted.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor, nn

from bridge.diffusion.device import Placement
from bridge.diffusion.libraries import diffusers
from bridge.diffusion.networks import LATENT_FACTOR, latent_channels, scaling_factor, shift_factor
from bridge.diffusion.reading import reading, running_loader
from bridge.diffusion.residency import Network
from bridge.diffusion.types import Autoencoder
from bridge.diffusion.weights import Names, bytes_of, fill, match_names
from bridge.models import Family, Header, read_header

_ENCODER, _DECODER = "taesd_encoder.", "taesd_decoder."
_SCALE, _SHIFT = "vae_scale", "vae_shift"
_PIXELS = "pixel_space_vae"
_FAMILIES = {
    "taesd_": Family.SD1,
    "taesdxl_": Family.SDXL,
    "taesd3_": Family.SD3,
    "taef1_": Family.FLUX,
}
"""How names of separate files begin → the family whose latents they read."""


class _Posterior(NamedTuple):
    mean: Tensor


class _Encoded(NamedTuple):
    latent_dist: _Posterior


class _Decoded(NamedTuple):
    sample: Tensor


class TinyAutoencoder(nn.Module):
    """TAESD in the form of an ``AutoencoderKL``.

    Args:
        scaling_factor: What latents are multiplied by for it.
        shift_factor: What is taken from them before.
        channels: Of the latents.
    """

    def __init__(self, scaling_factor: float, shift_factor: float = 0.0, channels: int = 4) -> None:
        super().__init__()
        tiny = diffusers.AutoencoderTiny(latent_channels=channels)
        self.encoder: nn.Module = tiny.encoder
        self.decoder: nn.Module = tiny.decoder
        self.scaling_factor = scaling_factor
        self.shift_factor = shift_factor

    def encode(self, pixels: Tensor) -> _Encoded:
        """Encode pictures (B, 3, H, W), range -1..1."""
        return _Encoded(_Posterior(self.encoder(pixels) / self.scaling_factor + self.shift_factor))

    def decode(self, latents: Tensor) -> _Decoded:
        """Decode latents (B, C, h, w)."""
        return _Decoded(self.decoder((latents - self.shift_factor) * self.scaling_factor))

    def original_state(self) -> dict[str, Tensor]:
        """Return its tensors as a file that holds both halves names them."""
        halves = ((_ENCODER, _encoder_names, self.encoder), (_DECODER, _decoder_names, self.decoder))
        state = {
            prefix + names(name)[0]: tensor
            for prefix, names, half in halves
            for name, tensor in half.state_dict().items()
        }
        numbers = {_SCALE: self.scaling_factor, _SHIFT: self.shift_factor}
        return {**state, **{name: torch.tensor(number) for name, number in numbers.items()}}


class PixelSpace(nn.Module):
    """Latents that are the picture itself, 3 channels, range -1..1, in the form of an ``AutoencoderKL``."""

    def encode(self, pixels: Tensor) -> _Encoded:
        """Return pictures as they are."""
        return _Encoded(_Posterior(pixels))

    def decode(self, latents: Tensor) -> _Decoded:
        """Return pictures as they are."""
        return _Decoded(latents)

    def original_state(self) -> dict[str, Tensor]:
        """Return the mark by which a file of it is known."""
        return {_PIXELS: torch.tensor(1.0)}


@dataclass(frozen=True, slots=True)
class _Half:
    """The encoder or decoder of TAESD in a file; ``names`` say where its tensors lie there."""

    attribute: str
    path: Path
    names: Names


def load_plain_autoencoder(path: Path, header: Header, name: str) -> Autoencoder | None:
    """Open a file of TAESD or of pixel space; of an encoder alone, its decoder lies beside it.

    Args:
        path: The file.
        header: Of it.
        name: What the user calls it, for messages.

    Returns:
        ``None`` if the file holds something else.

    Raises:
        ModelError: If it is damaged, or its decoder is.
    """
    label = f'VAE "{name}"'
    if _PIXELS in header.tensors:
        return Autoencoder(
            Network(label, lambda placement: PixelSpace(), {}, place=Placement.in_float32), 1, 3
        )
    if f"{_DECODER}1.weight" in header.tensors:
        channels = header.shapes[f"{_DECODER}1.weight"][1]
        build = functools.partial(_empty, *_scale_in(path, header), channels)
        return _tiny(label, build, _halves(path, path, _ENCODER, _DECODER), channels)
    family = next((family for start, family in _FAMILIES.items() if path.name.startswith(start)), None)
    if family and "encoder" in path.name and header.shapes.get("0.weight", ())[1:2] == (3,):
        decoder = path.with_name(path.name.replace("encoder", "decoder"))
        channels = latent_channels(family)
        build = functools.partial(_empty, scaling_factor(family), shift_factor(family), channels)
        return _tiny(label, build, _halves(path, decoder), channels)
    return None


def _halves(encoder: Path, decoder: Path, in_encoder: str = "", in_decoder: str = "") -> tuple[_Half, _Half]:
    return (
        _Half("encoder", encoder, functools.partial(_encoder_names, prefix=in_encoder)),
        _Half("decoder", decoder, functools.partial(_decoder_names, prefix=in_decoder)),
    )


def _tiny(
    label: str, build: Callable[[], TinyAutoencoder], halves: Sequence[_Half], channels: int
) -> Autoencoder:
    skeleton = build()
    found, size = {}, 0
    for half in halves:
        header = read_header(half.path)
        places = match_names(getattr(skeleton, half.attribute), header, half.names, half.path.name)
        found[half.attribute] = places
        size += bytes_of(header, places)

    loader = running_loader()

    def load(placement: Placement) -> Any:
        module: Any = build()
        with reading(loader, size) as on_read:
            for half in halves:
                places = found[half.attribute]
                fill(getattr(module, half.attribute), half.path, places, placement, on_read)
            return module.to(memory_format=placement.memory_format)

    shapes: Mapping[str, tuple[int, ...]] = {
        key: tuple(parameter.shape) for key, parameter in skeleton.named_parameters()
    }
    return Autoencoder(Network(label, load, shapes, place=Placement.for_vae), LATENT_FACTOR, channels)


def _empty(scaling_factor: float, shift_factor: float, channels: int) -> TinyAutoencoder:
    with torch.device("meta"):
        return TinyAutoencoder(scaling_factor, shift_factor, channels)


def _scale_in(path: Path, header: Header) -> tuple[float, float]:
    """Read what latents are multiplied by, and what is taken from them before."""
    defaults = {_SCALE: scaling_factor(Family.SD1), _SHIFT: 0.0}
    with safe_open(path, framework="pt") as file:
        scale, shift = (
            float(file.get_tensor(name)) if name in header.tensors else default
            for name, default in defaults.items()
        )
    return scale, shift


def _encoder_names(name: str, prefix: str = "") -> list[str]:
    return [prefix + name.removeprefix("layers.")]


def _decoder_names(name: str, prefix: str = "") -> list[str]:
    """In the original the clamp of latents counts as the first layer."""
    index, rest = name.removeprefix("layers.").split(".", 1)
    return [f"{prefix}{int(index) + 1}.{rest}"]
