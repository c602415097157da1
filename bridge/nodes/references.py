"""Pictures that a model goes by while it makes another."""

from dataclasses import replace
from typing import Annotated

from bridge.diffusion import Conditioning, Latent, ReferenceLayout
from bridge.graph import Choices, node


@node(
    "ReferenceLatent",
    category="advanced/conditioning/edit_models",
    differs="A sampler refuses references that its model cannot see; ComfyUI leaves them out.",
)
def reference_latent(conditioning: Conditioning, latent: Latent | None = None) -> Conditioning:
    """Show Flux Kontext a picture to go by, or one more: what the prompt says is done to it."""
    if latent is None:
        return conditioning
    samples = latent["samples"]
    return tuple(replace(prompt, references=(*prompt.references, samples)) for prompt in conditioning)


@node("FluxKontextMultiReferenceLatentMethod", category="advanced/conditioning/flux")
def flux_kontext_multi_reference_latent_method(
    conditioning: Conditioning,
    reference_latents_method: Annotated[str, Choices(("offset", "index", "uxo/uno"))] = "offset",
) -> Conditioning:
    """Say where several references are to the model: side by side, one behind another, or as USO and UNO."""
    layouts: dict[str, ReferenceLayout] = {"offset": "canvas", "index": "stack", "uxo/uno": "diagonal"}
    layout = layouts[reference_latents_method]
    return tuple(replace(prompt, reference_layout=layout) for prompt in conditioning)
