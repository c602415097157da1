"""What workflows hand to Krita. Names and inputs are those of comfyui-tooling-nodes."""

from typing import Annotated, Any, Literal

from bridge.diffusion import Image
from bridge.diffusion.kept_pictures import send
from bridge.engine import current_job
from bridge.graph import ALWAYS, Socket, node

MEDIA_TYPES = {"text": "text/plain", "markdown": "text/markdown", "html": "text/html"}


@node(
    "ETN_KritaOutput",
    category="krita",
    display_name="Krita Output",
    is_output=True,
    fingerprint=lambda: ALWAYS,
)
async def krita_output(
    images: Image,
    x: int = 0,
    y: int = 0,
    name: str = "",
    batch_mode: Literal["default", "images", "animation", "layers"] = "default",
    resize_canvas: bool = False,
) -> None:
    """Send pictures to Krita, and say where on the canvas they belong."""
    place = {"name": name, "offset_x": x, "offset_y": y}
    info = {**place, "batch_mode": batch_mode, "resize_canvas": resize_canvas}
    current_job().show({"images": await send(images, "PNG"), "info": [info]})


@node("ETN_KritaSendText", category="krita", display_name="Send Text", is_output=True)
def krita_send_text(
    value: Annotated[Any, Socket("*")],
    name: str = "Output",
    type: Literal["text", "markdown", "html"] = "text",
) -> None:
    """Send a text, or whatever it is, written as one."""
    current_job().show({"text": [{"name": name, "text": str(value), "content-type": MEDIA_TYPES[type]}]})
