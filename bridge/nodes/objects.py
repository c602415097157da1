"""Objects of the scene: masks by name, prompts of their own, and repainting nothing else."""

from typing import Annotated, Literal

import torch

from bridge.diffusion import (
    Clip,
    Conditioning,
    Latent,
    Mask,
    ObjectPrompts,
    bind_prompts,
    embedding_stamps,
    encode_bindings,
    frame_digest,
    job_catalogue,
    job_frame,
    limit_repaint,
    named_mask,
)
from bridge.graph import Multiline, Range, Tooltip, node
from bridge.protocol import read_bindings

Grow = Annotated[int, Range(-1024, 1024, 1), Tooltip("Pixels to widen the mask by; negative shrinks it.")]
Feather = Annotated[
    int, Range(0, 1024, 1), Tooltip("Pixels over which the border fades, half of them outside.")
]


@node("ObjectMask", category="framebridge/objects", display_name="Object mask", fingerprint=frame_digest)
def object_mask(
    names: Annotated[
        str,
        Multiline(),
        Tooltip('Commas part several; * is any letters: "Car*, Truck". Quotes keep a name as it is.'),
    ] = "",
    kind: Literal["object", "collection", "material"] = "object",
    invert: bool = False,
    grow: Grow = 0,
    feather: Feather = 0,
) -> Mask:
    """Select what the 3D tool calls by a name: an object, all of a collection, or a material.

    The mask has the captured size, and shares of pixels along the border. Names of nothing in the view are
    told with the nearest that there are.
    """
    mask = named_mask(job_frame(), names, kind, invert=invert, grow=grow, feather=feather)
    return torch.from_numpy(mask)[None]


@node(
    "ObjectPrompts",
    category="framebridge/objects",
    display_name="Object prompts",
    outputs=("objects",),
    fingerprint=lambda objects: embedding_stamps(objects),
)
def object_prompts(
    clip: Clip,
    objects: Annotated[
        str,
        Multiline(),
        Tooltip('A line for each: "Car: rusted metal", "collection/Trees: snow". Upper lines win.'),
    ] = "",
) -> ObjectPrompts:
    """Give objects of the scene prompts of their own, one a line; hosts write them from a panel."""
    return encode_bindings(clip, read_bindings(objects), job_catalogue())


@node(
    "ObjectConditioning",
    category="framebridge/objects",
    display_name="Bind prompts to objects",
    fingerprint=frame_digest,
)
def object_conditioning(positive: Conditioning, objects: ObjectPrompts, latent: Latent) -> Conditioning:
    """Let prompts hold where their objects are seen, and the prompt of the whole picture around them.

    Put ControlNets on the prompt before: each object weighs them with its own strength.
    """
    return bind_prompts(positive, objects, job_frame(), latent)


@node(
    "ObjectRepaint",
    category="framebridge/objects",
    display_name="Repaint objects only",
    outputs=("latent", "mask"),
    fingerprint=frame_digest,
)
def object_repaint(
    latent: Latent, objects: ObjectPrompts, grow: Grow = 0, feather: Feather = 0
) -> tuple[Latent, Mask]:
    """Limit what is repainted to the objects that the panel says so of; give the mask to Lay over viewport.

    Where no object is limited, or kept as it is, everything is repainted.
    """
    return limit_repaint(latent, objects, job_frame(), grow=grow, feather=feather)
