"""LoRAs: small files that change what a checkpoint draws."""

from typing import Annotated

from bridge.diffusion import Clip, Model, apply_lora, find_model, model_stamps
from bridge.graph import ChoicesFrom, Range, node

LoraName = Annotated[str, ChoicesFrom("loras")]
Strength = Annotated[float, Range(-100.0, 100.0, 0.01)]


DIFFERS = (
    "Files of diffusers and PEFT are understood without `processor` in their names too, and LoKr in Tucker "
    "form; a LoRA of plain Flux also adds to what a depth or canny LoRA widened. A LoRA of another family, "
    "one that fits nothing and one with a damaged tensor are errors."
)


@node(
    "LoraLoader",
    category="loaders",
    display_name="Load LoRA",
    fingerprint=model_stamps(lora_name="loras"),
    differs=DIFFERS,
)
def lora_loader(
    model: Model,
    clip: Clip,
    lora_name: LoraName,
    strength_model: Strength = 1.0,
    strength_clip: Strength = 1.0,
) -> tuple[Model, Clip]:
    """Give a checkpoint the style or subject of a LoRA; several may follow one another."""
    path = find_model("loras", lora_name)
    return apply_lora(path, lora_name, model, clip, strength_model, strength_clip)


@node(
    "LoraLoaderModelOnly",
    category="loaders",
    fingerprint=model_stamps(lora_name="loras"),
    differs=DIFFERS,
)
def lora_loader_model_only(model: Model, lora_name: LoraName, strength_model: Strength = 1.0) -> Model:
    """Give a checkpoint the look of a LoRA, and leave its reading of prompts alone."""
    path = find_model("loras", lora_name)
    patched, _ = apply_lora(path, lora_name, model, None, strength_model, 0.0)
    return patched
