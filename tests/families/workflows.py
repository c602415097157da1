"""What an artist would send for each model and mode: API JSON, for pictures of 64 × 64 pixels.

The steps are those that diffusers' ``trailing`` spacing names too: four from noise, or the last two of four
from a picture.
"""

from typing import Any, Literal, get_args

from bridge.models import Family
from tests.families.pictures import MARGIN, SIDE
from tests.families.published import Published

Mode = Literal[
    "txt2img", "img2img", "inpaint", "outpaint", "ControlNet", "LoRA", "IP-Adapter", "instruct", "upscale"
]
Task = Literal["txt2img", "img2img", "inpaint", "outpaint", "instruct", "upscale"]
Link = list[Any]

MODES: tuple[Mode, ...] = get_args(Mode)
PARTS: tuple[Mode, ...] = ("ControlNet", "LoRA", "IP-Adapter")
PROMPT, NEGATIVE = "a red house by the sea", "blurry"
SEED = 5
STEPS, STRENGTH = 4, 0.5
GUIDANCE, IMAGE_GUIDANCE = 5.0, 1.5
WEIGHT = 0.8
"""Of ControlNets, LoRAs and IP-Adapters."""

AESTHETIC_SCORES = 6.0, 2.5
OWN, OTHER = "own.safetensors", "other.safetensors"
"""Parts made for the model, and parts made for another family."""


def task_of(model: Published, mode: Mode) -> Task:
    """Return what is done with a ControlNet, a LoRA or an IP-Adapter: that for which the model was made."""
    if mode not in PARTS:
        return mode
    if model.family is Family.SDXL_REFINER:
        return "img2img"
    tasks: dict[int, Task] = {9: "inpaint", 8: "instruct"}
    return tasks.get(model.in_channels, "txt2img")


def is_from_noise(model: Published, task: Task) -> bool:
    """Whether a task begins with noise alone, as inpainting models do, which see the picture beside it."""
    return task in ("txt2img", "instruct") or (model.in_channels == 9 and task in ("inpaint", "outpaint"))


class Graph(dict[str, Any]):
    """A workflow in the making; nodes are numbered as they come."""

    def add(self, class_type: str, **inputs: Any) -> Link:
        """Add a node, and return a link to its first output."""
        name = str(len(self) + 1)
        self[name] = {"class_type": class_type, "inputs": inputs}
        return [name, 0]


def is_refused(model: Published, mode: Mode) -> bool:
    """Whether a model cannot do something: only InstructPix2Pix ones see a picture to edit."""
    return mode == "instruct" and model.in_channels != 8


def workflow(model: Published, mode: Mode, part: str = OWN) -> Graph:
    """Return a workflow, which saves ``latents`` and a ``picture``, and the latents that were ``enlarged``.

    Args:
        model: For its loaders and its way to sample.
        mode: What to do with it.
        part: The file of the ControlNet, LoRA or IP-Adapter.
    """
    graph, task = Graph(), task_of(model, mode)
    unet, clip, vae = _loaders(graph, model)
    if mode == "LoRA":
        unet = graph.add(
            "LoraLoader", model=unet, clip=clip, lora_name=part, strength_model=WEIGHT,
            strength_clip=WEIGHT,
        )  # fmt: skip
        clip = _output(unet, 1)
    if mode == "IP-Adapter":
        unet = _with_ip_adapter(graph, unet, part)
    positive = _prompt(graph, model, clip, PROMPT, AESTHETIC_SCORES[0])
    negative = _prompt(graph, model, clip, NEGATIVE, AESTHETIC_SCORES[1])
    if mode == "ControlNet":
        positive = graph.add(
            "ControlNetApplyAdvanced", positive=positive, negative=negative, strength=WEIGHT,
            control_net=graph.add("ControlNetLoader", control_net_name=part),
            image=graph.add("LoadImage", image="picture.png"), start_percent=0.0, end_percent=1.0,
        )  # fmt: skip
        negative = _output(positive, 1)
    latent = graph.add("EmptyLatentImage", width=SIDE, height=SIDE, batch_size=1)
    sides = positive, negative, negative
    match task:
        case "img2img" | "upscale":
            latent = graph.add("VAEEncode", pixels=_picture(graph, task), vae=vae)
        case "inpaint" | "outpaint":
            pixels, mask = _masked(graph, task)
            if model.in_channels == 9:
                seen = graph.add(
                    "InpaintModelConditioning", positive=positive, negative=negative, vae=vae, pixels=pixels,
                    mask=mask, noise_mask=False,
                )  # fmt: skip
                sides = seen, _output(seen, 1), _output(seen, 1)
            else:
                encoded = graph.add("VAEEncode", pixels=pixels, vae=vae)
                latent = graph.add("SetLatentNoiseMask", samples=encoded, mask=mask)
        case "instruct":
            seen = graph.add(
                "InstructPixToPixConditioning", positive=positive, negative=negative, vae=vae,
                pixels=_picture(graph, task),
            )  # fmt: skip
            latent = _output(seen, 2)
            sides = seen, _output(seen, 1), negative
    samples = _sampled(graph, model, task, unet, sides, latent)
    graph.add("SaveLatent", samples=samples, filename_prefix="latents")
    graph.add("SaveImage", images=graph.add("VAEDecode", samples=samples, vae=vae), filename_prefix="picture")
    if task == "upscale":
        graph.add("SaveLatent", samples=latent, filename_prefix="enlarged")
    return graph


def _loaders(graph: Graph, model: Published) -> tuple[Link, Link, Link]:
    if not model.is_split:
        loaded = graph.add("CheckpointLoaderSimple", ckpt_name="model.safetensors")
        return loaded, _output(loaded, 1), _output(loaded, 2)
    return (
        graph.add("UNETLoader", unet_name="model.safetensors", weight_dtype="default"),
        graph.add(
            "DualCLIPLoader", clip_name1="clip_l.safetensors", clip_name2="clip_g.safetensors", type="sdxl"
        ),
        graph.add("VAELoader", vae_name="vae.safetensors"),
    )


def _with_ip_adapter(graph: Graph, unet: Link, part: str) -> Link:
    return graph.add(
        "IPAdapterAdvanced", model=unet,
        ipadapter=graph.add("IPAdapterModelLoader", ipadapter_file=part),
        clip_vision=graph.add("CLIPVisionLoader", clip_name=OWN),
        image=graph.add("LoadImage", image="hint.png"), weight=WEIGHT, weight_type="linear",
        combine_embeds="concat", start_at=0.0, end_at=1.0, embeds_scaling="V only",
    )  # fmt: skip


def _prompt(graph: Graph, model: Published, clip: Link, text: str, score: float) -> Link:
    if model.family is not Family.SDXL_REFINER:
        return graph.add("CLIPTextEncode", clip=clip, text=text)
    side = SIDE
    return graph.add("CLIPTextEncodeSDXLRefiner", clip=clip, text=text, ascore=score, width=side, height=side)


def _picture(graph: Graph, task: Task) -> Link:
    if task != "upscale":
        return graph.add("LoadImage", image="picture.png")
    network = graph.add("UpscaleModelLoader", model_name="realesr-animevideov3")
    small = graph.add("LoadImage", image="small.png")
    return graph.add("ImageUpscaleWithModel", upscale_model=network, image=small)


def _masked(graph: Graph, task: Task) -> tuple[Link, Link]:
    if task == "inpaint":
        mask = graph.add("LoadImageMask", image="mask.png", channel="red")
        return graph.add("LoadImage", image="picture.png"), mask
    padded = graph.add(
        "ImagePadForOutpaint", image=graph.add("LoadImage", image="narrow.png"), left=0, top=0, right=MARGIN,
        bottom=0, feathering=0,
    )  # fmt: skip
    return padded, _output(padded, 1)


def _sampled(
    graph: Graph, model: Published, task: Task, unet: Link, sides: tuple[Link, Link, Link], latent: Link
) -> Link:
    """Denoise as the model's publisher says; ``sides`` ends with the prompt that sees no picture."""
    positive, second, negative = sides
    denoise = 1.0 if is_from_noise(model, task) else STRENGTH
    if model.steps == 1:
        return graph.add(
            "SamplerCustom", model=unet, add_noise=True, noise_seed=SEED, cfg=1.0, positive=positive,
            negative=second, sampler=graph.add("KSamplerSelect", sampler_name="euler_ancestral"),
            sigmas=graph.add("SDTurboScheduler", model=unet, steps=1, denoise=denoise), latent_image=latent,
        )  # fmt: skip
    if task == "instruct":
        guider = graph.add(
            "DualCFGGuider", model=unet, cond1=positive, cond2=second, negative=negative, cfg_conds=GUIDANCE,
            cfg_cond2_negative=IMAGE_GUIDANCE, style="regular",
        )  # fmt: skip
        return graph.add(
            "SamplerCustomAdvanced", noise=graph.add("RandomNoise", noise_seed=SEED), guider=guider,
            sampler=graph.add("KSamplerSelect", sampler_name="euler"), latent_image=latent,
            sigmas=graph.add("BasicScheduler", model=unet, scheduler="simple", steps=STEPS, denoise=denoise),
        )  # fmt: skip
    return graph.add(
        "KSampler", model=unet, seed=SEED, steps=round(STEPS * denoise), cfg=1.0 if model.steps else GUIDANCE,
        sampler_name="euler", scheduler="sgm_uniform" if model.steps else "simple", positive=positive,
        negative=second, latent_image=latent, denoise=denoise,
    )  # fmt: skip


def _output(link: Link, number: int) -> Link:
    return [link[0], number]
