"""comfyui-utils: progress by callbacks, a picture fetched, the same workflow again, and one at fault."""

import asyncio
import json
import sys
from typing import Any

from comfyui_utils import comfy

WORKFLOW = {
    "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 48, "batch_size": 1, "color": 77}},
    "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "utils"}},
}


class Told(comfy.Callbacks):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.positions: list[Any] = []
        self.nodes: list[int] = []
        self.outputs: dict[str, Any] = {}

    async def queue_position(self, position: str) -> None:
        self.positions.append(position)

    async def in_progress(self, node_id: int, progress: int, total: int) -> None:
        self.nodes.append(node_id)

    async def completed(self, outputs: dict[str, Any], cached: bool) -> None:
        self.outputs = outputs


async def main() -> dict[str, Any]:
    api = comfy.ComfyAPI(sys.argv[1].removeprefix("http://"))
    told, again = Told(), Told()
    await api.submit(WORKFLOW, told)
    sizes: list[int] = []

    async def keep(file: Any) -> None:
        sizes.append(len(file.read()))

    await api.fetch(told.outputs["images"][0], keep)
    await api.submit(WORKFLOW, again)
    fault = {"1": {**WORKFLOW["1"], "inputs": {**WORKFLOW["1"]["inputs"], "width": -1}}, "2": WORKFLOW["2"]}
    try:
        await api.submit(fault, Told())
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    return {"sizes": sizes, "again": bool(again.outputs["images"]), "refusal": refusal}


print(json.dumps(asyncio.run(main())))
