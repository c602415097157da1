"""Pictures that an artist chose: read once while they are as their file is, and anew once they change."""

import time
from pathlib import Path
from types import SimpleNamespace

import bpy
import framebridge
import numpy as np
from framebridge import references
from framebridge._bridge.host.preset import Picture, Preset
from framebridge._bridge.protocol import Frame
from framebridge.wire import plane_of
from harness import REQUEST, report

FOLDER = Path(REQUEST["folder"])
PRESET = Preset("p", "P", "", (), pictures=(Picture("reference", "Reference"),))
FRAME = Frame({"color": plane_of("color", "u8", np.zeros((8, 8, 3), np.uint8))})


def of_a_file() -> dict:
    """The same plane until the file is another, or is painted on."""
    image = saved("look.png", 0.2, 64)
    first, again = sent(image), sent(image)
    write("look.png", 0.6, 64)
    image.reload()
    changed = sent(image)
    paint(image, 0.8)
    painted, still_painted = sent(image), sent(image)
    paint(image, 0.4)
    painted_again = sent(image)
    image.save()
    kept = sent(image)
    return {
        "is_same": first is again,
        "values": [value_of(plane) for plane in (first, changed, painted, painted_again, kept)],
        "is_read_while_painted": painted is not still_painted,
        "is_kept_again": kept is sent(image),
    }


def packed() -> dict:
    image = saved("packed.png", 0.2, 64)
    image.pack()
    first = sent(image)
    is_same = first is sent(image)
    paint(image, 1.0)
    image.pack()
    return {"is_same": is_same, "values": [value_of(first), value_of(sent(image))]}


def generated() -> dict:
    """Of these nothing is known, so they are read each time."""
    image = bpy.data.images.new("Generated", 32, 32)
    first = sent(image)
    paint(image, 0.6)
    return {"values": [value_of(first), value_of(sent(image))]}


def others() -> dict:
    """Another image in its place, and another file of the same name."""
    first = sent(saved("one.png", 0.2, 32))
    second = sent(saved("two.png", 0.8, 32))
    references.forget()
    return {"values": [value_of(first), value_of(second)], "left": len(references._read)}


def large() -> dict:
    """How long a picture of 4096² takes at first, and then."""
    image = saved("large.png", 0.5, 4096)
    times = []
    for _ in range(3):
        began = time.perf_counter()
        plane = sent(image)
        times.append(time.perf_counter() - began)
    return {"times": times, "shape": list(plane.shape)}


def sent(image: bpy.types.Image):
    group = SimpleNamespace(picture_p_reference=image)
    references.values_of = lambda settings, preset: group
    return references.with_chosen_pictures(FRAME, None, PRESET).planes["reference"]


def saved(name: str, value: float, side: int) -> bpy.types.Image:
    return bpy.data.images.load(write(name, value, side))


def write(name: str, value: float, side: int) -> str:
    image = bpy.data.images.new("Writer", side, side)
    paint(image, value)
    image.filepath_raw, image.file_format = str(FOLDER / name), "PNG"
    image.save()
    bpy.data.images.remove(image)
    return str(FOLDER / name)


def paint(image: bpy.types.Image, value: float) -> None:
    pixels = np.full((image.size[1], image.size[0], 4), value, np.float32)
    pixels[..., 3] = 1.0
    image.pixels.foreach_set(pixels.ravel())
    image.update()


def value_of(plane) -> int:
    return int(np.frombuffer(plane.data, np.uint8).reshape(plane.shape)[0, 0, 0])


framebridge.register()
report(of_a_file, packed, generated, others, large)
