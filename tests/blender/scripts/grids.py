"""Grids with a real daemon: a sheet of all cells, what fails, what is refused, and one that is given up."""

from pathlib import Path

import artist
import bpy
import framebridge
import numpy as np
from artist import connect, scene, settings, told, values
from framebridge import display
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
FOLDER = Path(REQUEST["folder"])


def sheet() -> dict:
    """Two prompts over two strengths: one image with the cells in their places, and nothing else changed."""
    prepare()
    values().p_prompt = "snow"
    OPS.choose_axis(axis="x", control="prompt")
    suggested = settings().grid_x_values
    settings().grid_x_values = "neon, clay"
    OPS.choose_axis(axis="y", control="depth_weight")
    settings().grid_y_values = "0.2, 1"
    before = len(bpy.data.images)
    OPS.generate_grid()
    notice = studio().notice
    image = display.looked_at(scene())
    rows = display.picture_rows(image)[..., :3]
    OPS.save_result(filepath=str(FOLDER / "sheet.png"))
    values().p_prompt, values().p_depth_weight = "clay", 0.2
    OPS.generate()
    single = display.picture_rows(display.looked_at(scene()))[..., :3]
    return {
        "suggested": suggested,
        "made": len(bpy.data.images) - before,
        "name": image.name,
        "prompt": display.prompt_of(image),
        "size": list(rows.shape[:2]),
        "place_of_single": place_of(single, rows),
        "notice": notice,
    }


def one_axis_and_a_fault() -> dict:
    """One row; a cell without its wildcard is marked and told, and the others are made."""
    prepare()
    settings().grid_x, settings().grid_x_values = "prompt", "neon, __gone__"
    said = told(OPS.generate_grid)
    image = display.looked_at(scene())
    assert image is not None, said
    OPS.save_result(filepath=str(FOLDER / "fault.png"))
    return {"said": said, "name": image.name, "size": list(image.size)}


def refused() -> dict:
    prepare()
    found = {"nothing chosen": told(OPS.generate_grid)}
    settings().grid_x, settings().grid_x_values = "steps", "1, many"
    found["no number"] = told(OPS.generate_grid)
    settings().grid_x_values = "1..40"
    settings().grid_y, settings().grid_y_values = "guidance", "1..20"
    found["too many"] = told(OPS.generate_grid)
    return found | {"results": len(display.results())}


def given_up() -> dict:
    """What is made when it is cancelled is kept, and the rest is left empty."""
    prepare()
    settings().grid_x, settings().grid_x_values = "seed", "1..4"
    studio().ask_for_grid(bpy.context)
    studio().wait(lambda: studio().picture is not None and studio().picture._place == 2)
    studio().cancel()
    studio().wait(lambda: not studio().is_generating)
    image = display.looked_at(scene())
    return {"notice": studio().notice, "trouble": str(studio().trouble), "name": image.name if image else ""}


def place_of(picture: np.ndarray, sheet: np.ndarray) -> list[int]:
    """Return where a picture lies in the sheet: x and y of its corner, or nothing."""
    height, width = picture.shape[:2]
    for y in range(sheet.shape[0] - height + 1):
        for x in range(sheet.shape[1] - width + 1):
            is_begun = np.array_equal(sheet[y, x : x + width], picture[0])
            if is_begun and np.array_equal(sheet[y : y + height, x : x + width], picture):
                return [x, y]
    return []


def prepare() -> None:
    artist.prepare(256)
    settings().grid_x = settings().grid_y = ""
    connect()


framebridge.register()
report(sheet, one_axis_and_a_fault, refused, given_up)
