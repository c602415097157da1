"""IP-Adapter: steering by pictures. Names and inputs are those of ComfyUI_IPAdapter_plus."""

from typing import Annotated, Any, Literal

from bridge.diffusion import (
    Image,
    Mask,
    Model,
    each_picture,
    find_model,
    folder_stamps,
    job_catalogue,
    model_stamps,
)
from bridge.diffusion.clip_vision import ClipVision, load_clip_vision
from bridge.diffusion.ip_adapter import (
    CombineEmbeds,
    Embeds,
    EmbedsScaling,
    Emphasis,
    IPAdapterSocket,
    Merging,
    WeightType,
    add_image_prompt,
    combined,
    embeds_of,
    embeds_of_nothing,
    joined,
    load_ip_adapter,
    merged,
)
from bridge.graph import Choices, ChoicesFrom, Range, node
from bridge.imaging import Position, Resampling, squared_for_clip
from bridge.models import PRESETS, find_preset

Weight = Annotated[float, Range(-1.0, 3.0, 0.05)]
Fraction = Annotated[float, Range(0.0, 1.0, 0.001)]

_SIMPLE: dict[str, WeightType] = {
    "standard": "linear",
    "prompt is more important": "ease out",
    "style transfer": "style transfer",
}


def preset_stamp(preset: str) -> Any:
    """Return what changes when any file that a preset may choose does."""
    return folder_stamps("ipadapter", "clip_vision")


@node(
    "IPAdapterModelLoader",
    category="ipadapter/loaders",
    display_name="IPAdapter Model Loader",
    fingerprint=model_stamps(ipadapter_file="ipadapter"),
    differs="Pickled files (.bin) and FaceID adapters, which need InsightFace, are refused.",
)
def ip_adapter_model_loader(ipadapter_file: Annotated[str, ChoicesFrom("ipadapter")]) -> IPAdapterSocket:
    """Open an IP-Adapter for Stable Diffusion or Flux; its CLIP vision model is loaded apart."""
    return load_ip_adapter(find_model("ipadapter", ipadapter_file), ipadapter_file)


@node(
    "IPAdapterUnifiedLoader",
    category="ipadapter",
    display_name="IPAdapter Unified Loader",
    outputs=("model", "ipadapter"),
    fingerprint=preset_stamp,
    differs="A CLIP vision model is known by what its file holds, whatever the file is called; the input "
    "ipadapter changes nothing, as no file is opened twice anyway.",
)
def ip_adapter_unified_loader(
    model: Model, preset: Annotated[str, Choices(tuple(PRESETS))], ipadapter: IPAdapterSocket | None = None
) -> tuple[Model, IPAdapterSocket]:
    """Open the IP-Adapter and the CLIP vision model that fit a checkpoint."""
    adapter, vision = find_preset(job_catalogue(), preset, model.family)
    tower = load_clip_vision(find_model("clip_vision", vision), vision)
    return model, load_ip_adapter(find_model("ipadapter", adapter), adapter, tower)


@node("IPAdapter", category="ipadapter", display_name="IPAdapter")
def ip_adapter_simple(
    model: Model,
    ipadapter: IPAdapterSocket,
    image: Image,
    weight: Weight = 1.0,
    start_at: Fraction = 0.0,
    end_at: Fraction = 1.0,
    *,
    weight_type: Literal["standard", "prompt is more important", "style transfer"],
    attn_mask: Mask | None = None,
) -> Model:
    """Steer by what a picture shows, or by its style alone."""
    positive, negative = embeds_of(ipadapter, None, image)
    emphasis = Emphasis(weight, _SIMPLE[weight_type], start=start_at, end=end_at, mask=attn_mask)
    return add_image_prompt(model, ipadapter, positive, negative, emphasis)


@node("IPAdapterAdvanced", category="ipadapter", display_name="IPAdapter Advanced")
def ip_adapter_advanced(
    model: Model,
    ipadapter: IPAdapterSocket,
    image: Image,
    weight: Annotated[float, Range(-1.0, 5.0, 0.05)] = 1.0,
    *,
    weight_type: WeightType,
    combine_embeds: CombineEmbeds,
    start_at: Fraction = 0.0,
    end_at: Fraction = 1.0,
    embeds_scaling: EmbedsScaling,
    image_negative: Image | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Steer by what pictures show: how, when, where, and away from what."""
    positive, negative = embeds_of(ipadapter, clip_vision, image, image_negative)
    positive, negative = combined(positive, negative, combine_embeds)
    emphasis = Emphasis(weight, weight_type, embeds_scaling, start_at, end_at, attn_mask)
    return add_image_prompt(model, ipadapter, positive, negative, emphasis)


@node(
    "IPAdapterEncoder",
    category="ipadapter/embeds",
    display_name="IPAdapter Encoder",
    outputs=("pos_embed", "neg_embed"),
)
def ip_adapter_encoder(
    ipadapter: IPAdapterSocket,
    image: Image,
    weight: Annotated[float, Range(-1.0, 3.0, 0.01)] = 1.0,
    mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> tuple[Embeds, Embeds]:
    """Embed what pictures show, to be combined with others and applied later."""
    positive, negative = embeds_of(ipadapter, clip_vision, image, mask=mask)
    return positive * weight, negative


@node("IPAdapterCombineEmbeds", category="ipadapter/embeds", display_name="IPAdapter Combine Embeds")
def ip_adapter_combine_embeds(
    embed1: Embeds,
    method: Literal["concat", Merging],
    embed2: Embeds | None = None,
    embed3: Embeds | None = None,
    embed4: Embeds | None = None,
    embed5: Embeds | None = None,
) -> Embeds:
    """Make one image prompt of several."""
    embeds = joined([each for each in (embed1, embed2, embed3, embed4, embed5) if each is not None])
    return embeds if method == "concat" else merged(embeds, method)


@node("IPAdapterEmbeds", category="ipadapter/embeds", display_name="IPAdapter Embeds")
def ip_adapter_embeds(
    model: Model,
    ipadapter: IPAdapterSocket,
    pos_embed: Embeds,
    weight: Weight = 1.0,
    *,
    weight_type: WeightType,
    start_at: Fraction = 0.0,
    end_at: Fraction = 1.0,
    embeds_scaling: EmbedsScaling,
    neg_embed: Embeds | None = None,
    attn_mask: Mask | None = None,
    clip_vision: ClipVision | None = None,
) -> Model:
    """Steer by pictures that were embedded before."""
    if neg_embed is None:
        neg_embed = embeds_of_nothing(ipadapter, clip_vision, pos_embed)
    emphasis = Emphasis(weight, weight_type, embeds_scaling, start_at, end_at, attn_mask)
    return add_image_prompt(model, ipadapter, pos_embed, neg_embed, emphasis)


@node("PrepImageForClipVision", category="ipadapter/utils", display_name="Prep Image For ClipVision")
def prepare_image_for_clip_vision(
    image: Image,
    interpolation: Resampling,
    crop_position: Position,
    sharpening: Annotated[float, Range(0.0, 1.0, 0.05)] = 0.0,
) -> Image:
    """Choose which square of an oblong picture CLIP vision sees, and sharpen it."""
    return each_picture(
        image[..., :3],
        lambda picture: squared_for_clip(picture, interpolation, crop_position, sharpening),
    )
