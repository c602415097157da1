"""What travels on the sockets of diffusion nodes: tensors with a meaning, and handles of models.

Nodes annotate with the aliases (``Image``, ``Model`` …); code that makes or opens a value uses the
classes behind them. A handle holds no weights: ``Network`` loads them when they are needed.
"""

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, TypedDict

from torch import Tensor

from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.graph import Socket

Image = Annotated[Tensor, Socket("IMAGE")]
"""float32, on the CPU, shape (B, H, W, 3), range 0..1, sRGB."""

Mask = Annotated[Tensor, Socket("MASK")]
"""float32, on the CPU, shape (B, H, W), range 0..1; 1 is selected."""


class LatentBatch(TypedDict):
    """Pictures in the space of a VAE.

    ``samples`` has shape (B, C, H/f, W/f), float32, on the CPU, as the VAE encodes: not multiplied by the
    scaling factor. ``downscale_ratio_spacial`` (ComfyUI's spelling) is f where it is known, the latent
    factor they were made for. ``noise_mask`` (B, 1, H, W), range 0..1, says where to denoise;
    ``batch_index`` which noise of a batch each picture gets.
    """

    samples: Tensor
    downscale_ratio_spacial: NotRequired[int]
    noise_mask: NotRequired[Tensor]
    batch_index: NotRequired[list[int]]


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionModel:
    """A denoiser and what it was trained to predict.

    Args:
        unet: The UNet.
        schedule: Its noise levels and prediction type.
        scaling_factor: What latents are multiplied by before they are noised.
        latent_factor: Pixels along a side of one of its latents.
        vae: The autoencoder that came with it, for previews; ``None`` where none did.
    """

    unet: Network[Any]
    schedule: NoiseSchedule
    scaling_factor: float
    latent_factor: int
    vae: "Autoencoder | None" = None


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """CLIP's text tower with its tokenizer.

    Args:
        network: A ``CLIPTextModel``.
        tokenizer: A ``CLIPTokenizer``.
        last_layer: Which layer's output is taken, counted from the end: −1 is the last.
    """

    network: Network[Any]
    tokenizer: Any
    last_layer: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """An autoencoder between pictures and latents.

    Args:
        network: An ``AutoencoderKL``.
        latent_factor: Pixels along a side of one of its latents.
    """

    network: Network[Any]
    latent_factor: int


@dataclass(frozen=True, slots=True, eq=False)
class ControlNetwork:
    """A ControlNet."""

    network: Network[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """A ControlNet at work on one picture.

    Args:
        network: What steers.
        image: The control image, shape (B, H, W, 3), range 0..1; fitted to the latents when sampling.
        conditioning_scale: Weight of the residuals; 1 is as trained.
        start: Fraction of the noise schedule at which it begins, 0..1.
        end: Fraction at which it ends.
        covers_negative: Whether negative conditioning without controls of its own gets it too.
    """

    network: ControlNetwork
    image: Tensor
    conditioning_scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    covers_negative: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Embeddings plus everything that steers the denoiser.

    Args:
        prompt_embeds: Shape (1, 77 · chunks, width), on the CPU.
        controls: Their residuals are added up.
    """

    prompt_embeds: Tensor
    controls: tuple[Control, ...] = ()


Model = Annotated[DiffusionModel, Socket("MODEL")]
Clip = Annotated[TextEncoder, Socket("CLIP")]
Vae = Annotated[Autoencoder, Socket("VAE")]
ControlNet = Annotated[ControlNetwork, Socket("CONTROL_NET")]
Conditioning = Annotated[tuple[Prompt, ...], Socket("CONDITIONING")]
"""Several prompts are averaged."""
Latent = Annotated[LatentBatch, Socket("LATENT")]
