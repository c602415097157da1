"""comfy-script: a Python function for every node of ``/object_info``, and a picture sampled with them."""

import json
import sys

from comfy_script.runtime import Workflow, load

load(sys.argv[1])

from comfy_script.runtime.nodes import (  # noqa: E402
    CheckpointLoaderSimple,
    CLIPTextEncode,
    EmptyImage,
    EmptyLatentImage,
    KSampler,
    SaveImage,
    VAEDecode,
)

with Workflow(wait=True):
    colour = SaveImage(EmptyImage(64, 48, 1, 0x00FF00), "script")
with Workflow(wait=True):
    model, clip, vae = CheckpointLoaderSimple(sys.argv[2])
    positive, negative = CLIPTextEncode("a chair", clip), CLIPTextEncode("", clip)
    latent = KSampler(model, 7, 1, 1.0, "euler", "normal", positive, negative, EmptyLatentImage(64, 64, 1), 1)
    sampled = SaveImage(VAEDecode(latent, vae), "script")
functions = vars(sys.modules["comfy_script.runtime.nodes"]).values()
print(
    json.dumps(
        {
            "nodes": [each.info["name"] for each in functions if hasattr(each, "info")],
            "pixel": colour.wait()[0].getpixel((1, 1)),
            "size": sampled.wait()[0].size,
        }
    )
)
