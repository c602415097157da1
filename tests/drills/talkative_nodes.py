"""Nodes that keep and tell everything they are given; no torch."""

import time
from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from bridge.engine import NodeLibrary, current_job
from bridge.graph import ALWAYS, ExtraJson, Registry, Socket, WorkflowJson, node
from bridge.imaging import encode_png, output_stem, save_numbered, workflow_texts, writing_to

Turn = Annotated[str | None, Socket("TURN")]


@node("Keep", category="talkative", is_output=True, fingerprint=ALWAYS)
def keep(after: Turn = None, prompt: WorkflowJson = None, extra: ExtraJson = None) -> None:
    """Save a picture and a preview, with all that belongs into them."""
    data = encode_png(np.zeros((8, 8, 3), np.uint8), workflow_texts(prompt, extra))
    shown = []
    for kind, folder in (("output", current_job().folders.output), ("temp", current_job().folders.temp)):
        with writing_to(folder):
            stem = output_stem(folder, kind)
            saved = save_numbered(stem.parent, stem.name, data)
        shown.append({"filename": saved.name, "subfolder": "", "type": kind})
    print(f"kept {prompt} with {extra}", flush=True)
    current_job().show({"images": shown})


@node("Fail", category="talkative", is_output=True, fingerprint=ALWAYS)
def fail(prompt: WorkflowJson = None, extra: ExtraJson = None) -> None:
    """Fail with all it knows."""
    raise RuntimeError(f"cannot do {prompt} with {extra}")


@node("Endless", category="talkative", fingerprint=ALWAYS)
async def endless() -> Turn:
    """Never end."""
    while True:
        async with current_job().step():
            time.sleep(0.01)


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """The worker's bootstrap."""
    functions = (keep, fail, endless)
    return NodeLibrary(Registry([each.node for each in functions]), {"device": "cpu"})  # type: ignore[attr-defined]
