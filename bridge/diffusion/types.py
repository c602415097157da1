"""What travels on the sockets of diffusion nodes: tensors with a meaning, and handles of models.

Nodes annotate with the aliases (``Image``, ``Model`` …); code that makes or opens a value uses the
classes behind them. A handle holds no weights: ``Network`` loads them when they are needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from torch import Tensor

from bridge.diffusion.guidance import GuidanceRule
from bridge.diffusion.residency import Network
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.graph import Socket
from bridge.models import Family, GroundingLayout, TowerKind

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
        family: What it was made for; decides which conditioning the UNet takes besides prompts.
        shift_factor: What is taken from latents before they are multiplied.
        guidance_rescale: 0..1, how far guided predictions are brought back to the deviation of the
            prompt's own (Lin et al. 2023, §3.4).
        guidance_rules: What else changes how predictions are put together, in this order.
        soft_inpainting: ``None``, or 0..1: a noise mask is then a threshold for each pixel, the step at
            which it begins to change (Levin and Fried 2023), mixed with the mask itself below 1.
    """

    unet: Network[Any]
    schedule: NoiseSchedule
    scaling_factor: float
    latent_factor: int
    vae: "Autoencoder | None" = None
    family: Family = Family.SD1
    shift_factor: float = 0.0
    guidance_rescale: float = 0.0
    guidance_rules: tuple[GuidanceRule, ...] = ()
    soft_inpainting: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TextTower:
    """One of CLIP's text towers, or T5's encoder, with its tokenizer.

    Args:
        network: A ``CLIPTextModel``, a ``CLIPTextModelWithProjection`` or a ``T5EncoderModel``.
        tokenizer: CLIP's or T5's, of transformers.
        kind: Which one; decides the padding token and the layer that is taken by default.
        is_shortened: Whether its last layer, which its family does not use, was left out of the file.
        min_length: What T5's prompts are filled up to; ``None`` for what its family was trained with.
        min_padding: How many tokens T5's prompts are filled up with in any case.
    """

    network: Network[Any]
    tokenizer: Any
    kind: TowerKind = "clip_l"
    is_shortened: bool = False
    min_length: int | None = None
    min_padding: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """What turns prompts into embeddings: text towers, whose embeddings are put together as its family does.

    Args:
        towers: In the order of their embeddings; any of Stable Diffusion 3's may be missing.
        family: What it was made for.
        last_layer: Which layer's output is taken, counted from the end: −1 is the last. ``None`` is the
            layer that the family was trained with.
    """

    towers: tuple[TextTower, ...]
    family: Family = Family.SD1
    last_layer: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Autoencoder:
    """An autoencoder between pictures and latents.

    Args:
        network: An ``AutoencoderKL``, or what has its form (``plain_autoencoders``).
        latent_factor: Pixels along a side of one of its latents.
        latent_channels: Of its latents.
    """

    network: Network[Any]
    latent_factor: int
    latent_channels: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class ControlNetwork:
    """A ControlNet or a T2I-Adapter.

    Args:
        network: A ``SteeringNetwork``, a ``TransformerControlNet``, a ``SlimControlNet`` or a ``T2IAdapter``.
        families: What it was made for.
        control_types: How many types of pictures a union ControlNet knows; 0 for all others.
        control_type: Which of these its picture is of; ``None`` for none.
        joined: Makes of a denoiser's module, and of the network's own, what runs; ``None`` where the
            network does by itself.
        latent_channels: Of the latents of a picture that it sees; 0 if it sees the picture.
        sees_mask: Whether it sees beside its picture what is to be made anew.
    """

    network: Network[Any]
    families: tuple[Family, ...] = (Family.SD1,)
    control_types: int = 0
    control_type: int | None = None
    joined: Callable[[Any, Any], Any] | None = None
    latent_channels: int = 0
    sees_mask: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """A ControlNet, or a T2I-Adapter, at work on one picture.

    Args:
        network: What steers.
        image: The control image, shape (B, H, W, 3), range 0..1; fitted to the latents when sampling.
        conditioning_scale: Weight of the residuals; 1 is as trained.
        start: Fraction of the noise schedule at which it begins, 0..1.
        end: Fraction at which it ends.
        covers_negative: Whether negative conditioning without controls of its own gets it too.
        vae: Makes latents of the picture, for ControlNets that see these: SD3's, and most of Flux's.
        mask: What is to be made anew, (B, H, W), range 0..1, for ControlNets that see it; ``None`` for
            nothing.
    """

    network: ControlNetwork
    image: Tensor
    conditioning_scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    covers_negative: bool = False
    vae: Autoencoder | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class GroundingNetwork:
    """A GLIGEN model, which paints words in boxes.

    Args:
        network: A ``GroundingLayers``.
        layout: Its shape.
        name: What the user calls it, for messages.
    """

    network: Network[Any]
    layout: GroundingLayout
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class TextBox:
    """Words and the rectangle they belong in, in pixels.

    Args:
        embedding: Pooled, not projected, shape (1, width), on the CPU.
        x: Of the left edge.
        y: Of the upper edge.
        width: Of the rectangle.
        height: Of it.
    """

    embedding: Tensor
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class Grounding:
    """A GLIGEN model at work on some boxes."""

    network: GroundingNetwork
    boxes: tuple[TextBox, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the picture that a prompt is limited to.

    Args:
        height: In pixels, or in 0..1 of the picture's.
        width: As ``height``.
        y: Of its upper edge.
        x: Of its left edge.
        is_fraction: Whether the numbers are fractions of the picture.
    """

    height: float
    width: float
    y: float
    x: float
    is_fraction: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A mask that a prompt is limited to.

    Args:
        mask: Shape (B, H, W), range 0..1; resized to the latents.
        strength: What the mask is multiplied by.
        is_cropped: Whether only the mask's bounding box goes through the denoiser.
    """

    mask: Tensor
    strength: float = 1.0
    is_cropped: bool = False


@dataclass(frozen=True, slots=True)
class MicroConditioning:
    """What SDXL is told about the picture's origin, in pixels. Source: Podell et al. 2023, §2.2.

    Args:
        width: Of the original picture.
        height: Of the original picture.
        crop_x: What was cut off at its left.
        crop_y: What was cut off at its top.
        target_width: Of the picture wanted.
        target_height: Of the picture wanted.
        aesthetic_score: The refiner's, in place of the target size; ``None`` for its default.
    """

    width: int
    height: int
    crop_x: int = 0
    crop_y: int = 0
    target_width: int | None = None
    target_height: int | None = None
    aesthetic_score: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PicturePrompt:
    """Pictures that a prompt shows to an unCLIP checkpoint, or to SDXL.

    Args:
        image_embeds: From CLIP vision, shape (B, width), on the CPU.
        strength: What they are multiplied by.
        noise_augmentation: 0..1, how freely they are followed.
    """

    image_embeds: Tensor
    strength: float = 1.0
    noise_augmentation: float = 0.0


ReferenceLayout = Literal["canvas", "stack", "diagonal"]
"""Where references are to a model, which tells pictures apart by a number and by place:

- ``canvas``: on a picture of their own, each right of those before it or below, as in ComfyUI;
- ``stack``: each a picture of its own, at the same place;
- ``diagonal``: on the picture that is made, beyond its lower right corner and that of those before
  (Wu et al. 2025, "Less-to-More Generalization", UNO, §3.2).
"""


@dataclass(frozen=True, slots=True)
class StyleTokens:
    """Tokens of a prompt for Flux that say what a picture looks like.

    Args:
        places: Which of the prompt's they are.
        attention: What the attention is multiplied by that tokens before them, and the picture, pay them.
    """

    places: range
    attention: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Prompt:
    """Embeddings plus everything that steers the denoiser.

    Args:
        prompt_embeds: Shape (1, tokens, width), on the CPU; CLIP's tokens are 77 a chunk.
        pooled_prompt_embeds: Shape (1, width), on the CPU; ``None`` where no tower gives one.
        controls: Their residuals are added up.
        grounding: What belongs where in the picture; ``None`` for no boxes.
        area: Where it holds; ``None`` for everywhere.
        region: A mask of where it holds.
        strength: Its weight where prompts overlap.
        start: Fraction of the noise schedule at which it begins, 0..1.
        end: Fraction at which it ends.
        micro: What SDXL is told of the picture; ``None`` for the size of the latents.
        pictures: What an unCLIP checkpoint, or SDXL, is to see beside the words.
        concat_latents: What inpainting, instruct-pix2pix and Flux's depth and canny models see beside the
            noisy latents, shape (B, C, h, w), as on sockets.
        concat_mask: What an inpainting model is to make anew, (B, 1, H, W), range 0..1, in pixels.
        references: Pictures that Flux Kontext goes by, each (b, C, h, w), as on sockets.
        reference_layout: Where these are to the model.
        guidance: The scale that distilled Flux models are told; ``None`` to tell them nothing.
        style_tokens: Which tokens come from pictures, for Flux.
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor | None = None
    controls: tuple[Control, ...] = ()
    grounding: Grounding | None = None
    area: Area | None = None
    region: Region | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0
    micro: MicroConditioning | None = None
    pictures: tuple[PicturePrompt, ...] = ()
    concat_latents: Tensor | None = None
    concat_mask: Tensor | None = None
    references: tuple[Tensor, ...] = ()
    reference_layout: ReferenceLayout = "canvas"
    guidance: float | None = 3.5
    style_tokens: tuple[StyleTokens, ...] = ()

    @property
    def is_windowed(self) -> bool:
        """Whether it sees a rectangle of the picture only."""
        return self.area is not None or (self.region is not None and self.region.is_cropped)


Model = Annotated[DiffusionModel, Socket("MODEL")]
Clip = Annotated[TextEncoder, Socket("CLIP")]
Vae = Annotated[Autoencoder, Socket("VAE")]
ControlNet = Annotated[ControlNetwork, Socket("CONTROL_NET")]
Gligen = Annotated[GroundingNetwork, Socket("GLIGEN")]
Conditioning = Annotated[tuple[Prompt, ...], Socket("CONDITIONING")]
"""Several prompts are averaged."""
Latent = Annotated[LatentBatch, Socket("LATENT")]
