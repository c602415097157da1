"""What an artist would send for each transformer and mode: API JSON, for pictures of 64 × 64 pixels.

Two steps are taken: all from noise, or the last two of four from a picture. Models that were made to see more
than noise see it in each mode for which they have something to see.
"""

from bridge.models import Family
from tests.families.pictures import MARGIN, SIDE
from tests.families.transformers import Transformer
from tests.families.workflows import NEGATIVE, PARTS, PROMPT, SEED, STRENGTH, WEIGHT, Graph, Link, Mode, Task

STEPS, GUIDANCE = 2, 3.5


def task_of(model: Transformer, mode: Mode) -> Task:
    """Return what is done with a ControlNet, a LoRA or an IP-Adapter: that for which the model was made."""
    if mode not in PARTS:
        return mode
    return {"noise": "txt2img", "mask": "inpaint"}.get(model.sees, "instruct")  # type: ignore[return-value]


def is_shown(model: Transformer, task: Task) -> bool:
    """Whether a model is shown what it was made to see."""
    tasks = {
        "noise": (),
        "mask": ("inpaint", "outpaint"),
        "hint": ("img2img", "inpaint", "outpaint", "instruct", "upscale"),
        "reference": ("inpaint", "outpaint", "instruct"),
    }
    return task in tasks[model.sees]


def starts_from_picture(model: Transformer, task: Task) -> bool:
    """Whether a task begins with a picture's latents, not with noise alone."""
    return task not in ("txt2img", "instruct") and not (model.sees == "mask" and is_shown(model, task))


def is_refused(model: Transformer, mode: Mode) -> bool:
    """Whether a model cannot see a picture to edit, or has no ControlNets or IP-Adapters here."""
    if mode == "instruct":
        return model.sees == "noise"
    return (
        model.is_pixart if mode == "ControlNet" else mode == "IP-Adapter" and model.family is not Family.FLUX
    )


def workflow(model: Transformer, mode: Mode, part: str | None = None) -> Graph:
    """Return a workflow, which saves what ``table.Made`` holds.

    Args:
        model: For its loaders and its way to sample.
        mode: What to do with it.
        part: The file of the ControlNet, LoRA or IP-Adapter; ``None`` for the model's own.
    """
    graph, task = Graph(), task_of(model, mode)
    vae = graph.add("VAELoader", vae_name=f"{model.channels}.safetensors")
    unet = _denoiser(graph, model, mode, part or model.file)
    positive, negative = _prompts(graph, model)
    if mode == "ControlNet":
        positive = graph.add(
            "ControlNetApplyAdvanced", positive=positive, negative=negative, strength=WEIGHT,
            control_net=graph.add("ControlNetLoader", control_net_name=part or model.file), vae=vae,
            image=graph.add("LoadImage", image="picture.png"), start_percent=0.0, end_percent=1.0,
        )  # fmt: skip
        negative = [positive[0], 1]
    latent = graph.add("EmptySD3LatentImage", width=SIDE, height=SIDE, batch_size=1)
    pixels, mask = _pictures(graph, task)
    if starts_from_picture(model, task):
        latent = graph.add("VAEEncode", pixels=pixels, vae=vae)
        if task == "upscale":
            graph.add("SaveLatent", samples=latent, filename_prefix="enlarged")
        if task in ("inpaint", "outpaint"):
            latent = graph.add("SetLatentNoiseMask", samples=latent, mask=mask)
    if is_shown(model, task):
        positive, negative = _shown(graph, model, (positive, negative), vae, (pixels, mask))
    elif task == "instruct":
        positive = graph.add(
            "InstructPixToPixConditioning", positive=positive, negative=negative, vae=vae, pixels=pixels
        )
    samples = graph.add(
        "KSampler", model=unet, seed=SEED, steps=STEPS, cfg=1.0 if model.family is Family.FLUX else GUIDANCE,
        sampler_name="euler", scheduler="simple", positive=positive, negative=negative, latent_image=latent,
        denoise=STRENGTH if starts_from_picture(model, task) else 1.0,
    )  # fmt: skip
    graph.add("SaveLatent", samples=samples, filename_prefix="latents")
    graph.add("SaveImage", images=graph.add("VAEDecode", samples=samples, vae=vae), filename_prefix="picture")
    return graph


def _denoiser(graph: Graph, model: Transformer, mode: Mode, part: str) -> Link:
    unet = graph.add("UNETLoader", unet_name=model.file, weight_dtype="default")
    if model.control_lora:
        unet = graph.add("LoraLoaderModelOnly", model=unet, lora_name="canny.safetensors", strength_model=1.0)
    if mode == "LoRA":
        unet = graph.add("LoraLoaderModelOnly", model=unet, lora_name=part, strength_model=WEIGHT)
    if mode == "IP-Adapter":
        unet = graph.add(
            "IPAdapterAdvanced", model=unet,
            ipadapter=graph.add("IPAdapterModelLoader", ipadapter_file=part),
            clip_vision=graph.add("CLIPVisionLoader", clip_name="own.safetensors"),
            image=graph.add("LoadImage", image="hint.png"), weight=WEIGHT, weight_type="linear",
            combine_embeds="concat", start_at=0.0, end_at=1.0, embeds_scaling="V only",
        )  # fmt: skip
    return unet


def _prompts(graph: Graph, model: Transformer) -> tuple[Link, Link]:
    if model.is_pixart:
        clip = graph.add("CLIPLoader", clip_name="t5.safetensors", type="pixart")
    elif model.family is Family.SD3:
        clip = graph.add("CLIPLoader", clip_name="clip_l.safetensors", type="sd3")
    else:
        clip = graph.add(
            "DualCLIPLoader", clip_name1="t5.safetensors", clip_name2="clip_l.safetensors", type="flux"
        )
    positive = graph.add("CLIPTextEncode", clip=clip, text=PROMPT)
    if model.family is Family.FLUX:
        positive = graph.add("FluxGuidance", conditioning=positive, guidance=GUIDANCE)
    return positive, graph.add("CLIPTextEncode", clip=clip, text=NEGATIVE)


def _pictures(graph: Graph, task: Task) -> tuple[Link, Link]:
    """Return the picture that a task is about, and the mask of what is to be made anew."""
    match task:
        case "outpaint":
            padded = graph.add(
                "ImagePadForOutpaint", image=graph.add("LoadImage", image="narrow.png"), left=0, top=0,
                right=MARGIN, bottom=0, feathering=0,
            )  # fmt: skip
            return padded, [padded[0], 1]
        case "upscale":
            network = graph.add("UpscaleModelLoader", model_name="realesr-animevideov3")
            small = graph.add("LoadImage", image="small.png")
            return graph.add("ImageUpscaleWithModel", upscale_model=network, image=small), []
        case _:
            mask = graph.add("LoadImageMask", image="mask.png", channel="red")
            return graph.add("LoadImage", image="picture.png"), mask


def _shown(
    graph: Graph, model: Transformer, sides: tuple[Link, Link], vae: Link, picture: tuple[Link, Link]
) -> tuple[Link, Link]:
    """Show a model what it was made to see of a picture and a mask."""
    (positive, negative), (pixels, mask) = sides, picture
    match model.sees:
        case "mask":
            seen = graph.add(
                "InpaintModelConditioning", positive=positive, negative=negative, vae=vae, pixels=pixels,
                mask=mask, noise_mask=False,
            )  # fmt: skip
        case "hint":
            hint = graph.add("Canny", image=pixels, low_threshold=0.1, high_threshold=0.2)
            graph.add("SaveImage", images=hint, filename_prefix="hint")
            seen = graph.add(
                "InstructPixToPixConditioning", positive=positive, negative=negative, vae=vae, pixels=hint
            )
        case _:
            encoded = graph.add("VAEEncode", pixels=pixels, vae=vae)
            return graph.add("ReferenceLatent", conditioning=positive, latent=encoded), negative
    return seen, [seen[0], 1]
