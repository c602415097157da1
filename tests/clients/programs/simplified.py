"""comfy-api-simplified: a workflow with a parameter set, a picture up and another down, all that it asks."""

import json
import sys
from pathlib import Path

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper
from comfy_api_simplified.exceptions import ComfyApiError

api = ComfyApiWrapper(sys.argv[1])
Path("workflow.json").write_text(
    json.dumps(
        {
            "1": {
                "class_type": "EmptyImage",
                "inputs": {"width": 64, "height": 48, "batch_size": 2, "color": 0},
                "_meta": {"title": "Colour"},
            },
            "2": {
                "class_type": "SaveImage",
                "inputs": {"images": ["1", 0], "filename_prefix": "simplified"},
                "_meta": {"title": "Result"},
            },
        }
    )
)
workflow = ComfyWorkflowWrapper("workflow.json")
workflow.set_node_param("Colour", "color", 0xFF0000)
pictures = api.queue_and_wait_images(workflow, "Result")
name, data = next(iter(pictures.items()))
Path(name).write_bytes(data)
uploaded = api.upload_image(name)
inverted = ComfyWorkflowWrapper(
    {
        "1": {
            "class_type": "LoadImage",
            "inputs": {"image": f"{uploaded['subfolder']}/{uploaded['name']}"},
            "_meta": {"title": "Load"},
        },
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}, "_meta": {"title": "Invert"}},
        "3": {
            "class_type": "PreviewImage",
            "inputs": {"images": ["2", 0]},
            "_meta": {"title": "Result"},
        },
    }
)
(preview,) = api.queue_and_wait_images(inverted, "Result").values()
try:
    api.queue_prompt({"1": {"class_type": "NoSuchNode", "inputs": {}}})
    refusal = ""
except ComfyApiError as error:
    refusal = str(error)
api.interrupt()
print(
    json.dumps(
        {
            "pictures": [len(each) for each in pictures.values()],
            "preview": list(preview[:8]),
            "uploaded": uploaded,
            "queue": api.get_queue(),
            "nodes": len(api.get_object_info()),
            "one": list(api.get_object_info("SaveImage")),
            "stats": sorted(api.get_system_stats()),
            "embeddings": api.get_embeddings(),
            "refusal": refusal,
        }
    )
)
