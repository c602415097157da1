"""Nodes by ComfyUI's names without torch, for real workers behind ComfyUI's API."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from bridge.engine import GIVEN, KEPT, ExecutionBlocker, Expansion, NodeLibrary, current_job
from bridge.graph import ALWAYS, ChoicesFrom, Link, Range, Registry, Socket, WorkflowNode, node
from bridge.protocol import Plane

Image = Annotated[Any, Socket("IMAGE")]
Latent = Annotated[Any, Socket("LATENT")]
Vae = Annotated[Any, Socket("VAE")]
Model = Annotated[Any, Socket("MODEL")]
Side = Annotated[int, Range(1, 16384, 1)]


@node("EmptyImage", category="image")
def empty_image(
    width: Side = 512,
    height: Side = 512,
    batch_size: Annotated[int, Range(1, 4096)] = 1,
    color: Annotated[int, Range(0, 0xFFFFFF, 1)] = 0,
) -> Image:
    """Make a picture of one colour."""
    return (height, width, color.to_bytes(3, "big") * (width * height))


@node("PreviewImage", category="image", is_output=True)
def preview_image(images: Image) -> None:
    """Show a picture."""
    job = current_job()
    name = f"{images[2][0]}.png"
    job.folders.temp.mkdir(parents=True, exist_ok=True)
    (job.folders.temp / name).touch()
    job.show({"images": [{"filename": name, "subfolder": "", "type": "temp"}]})


@node("SaveImageWebsocket", category="image", is_output=True, fingerprint=lambda: ALWAYS)
def save_image_websocket(images: Image) -> None:
    """Send a picture."""
    height, width, pixels = images
    current_job().send((Plane("image", (height, width, 3), "u8", pixels),))


@node("Steps", category="fake", fingerprint=lambda: ALWAYS)
async def steps(count: int = 3, seconds: float = 0.0) -> Image:
    """Take some steps, and show a picture after each."""
    job = current_job()
    for step in range(count):
        async with job.step():
            time.sleep(seconds)
        if job.wants_preview:
            job.preview(Plane("preview", (8, 8, 3), "u8", bytes(192)))
        job.progress(step + 1, count)
    return (1, 1, b"\0\0\0")


@node("Forever", category="fake")
async def forever() -> Image:
    """Never end."""
    while True:
        async with current_job().step():
            await asyncio.sleep(0.01)


@node("Fail", category="fake")
def fail(images: Image, text: str = "") -> Image:
    """Fail as a foreign node does."""
    raise RuntimeError("Intentional")


@node("Block", category="fake")
def block() -> Image:
    """Keep what follows from running."""
    return ExecutionBlocker("there is nothing to see")


@node("Expand", category="fake")
def expand() -> Image:
    """Have another node do the work, and show it."""
    return Expansion(
        (Link("inner", 0),),
        {
            "inner": WorkflowNode(
                "inner", "EmptyImage", {"width": 2, "height": 2, "batch_size": 1, "color": 7}
            ),
            "show": WorkflowNode("show", "PreviewImage", {"images": Link("inner", 0)}),
        },
    )


@node("LoadImage", category="image")
def load_image(image: Annotated[str, ChoicesFrom("input")]) -> Image:
    """Read a file."""
    raise AssertionError


@node("CheckpointLoaderSimple", category="loaders")
def load_checkpoint(ckpt_name: Annotated[str, ChoicesFrom("checkpoints")]) -> Model:
    """Load a model."""
    raise AssertionError


@node("PreviewAny", category="fake", is_output=True)
def preview_any(source: Annotated[Any, Socket("*")]) -> None:
    """Show anything."""


@node("VAEDecode", category="latent")
def vae_decode(samples: Latent, vae: Vae) -> Image:
    """Decode."""
    raise AssertionError


@node("VAELoader", category="loaders", outputs=("VAE", "LATENT"))
def load_vae() -> tuple[Vae, Latent]:
    """Put out what VAEDecode needs."""
    raise AssertionError


@node("Sampler", category="sampling")
def sampler(
    image: Image, seed: int = 0, steps: int = 20, cfg: float = 8.0, name: str = "euler", denoise: float = 1.0
) -> Image:
    """Have widgets in an order."""
    return image


@node("ETN_LoadImageCache", category="fake")
def load_image_cache(id: str) -> Image:
    """Take a picture that came with the job, as a file."""
    frame = current_job().frame
    assert frame
    return frame.planes[GIVEN + id]


@node("ETN_SaveImageCache", category="fake", is_output=True, fingerprint=lambda: ALWAYS)
def save_image_cache(images: Image) -> None:
    """Have a file kept."""
    current_job().send((replace(images, name=f"{KEPT}made"),))
    current_job().show({"images": [{"source": "http", "id": "made"}]})


def registry() -> Registry:
    functions = (
        *(empty_image, preview_image, save_image_websocket, steps, forever, fail, block, expand),
        *(load_image, load_checkpoint, vae_decode, load_vae, sampler, preview_any),
        *(load_image_cache, save_image_cache),
    )
    return Registry([function.node for function in functions])  # type: ignore[attr-defined]


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    return NodeLibrary(registry(), {"device": "cpu"})
