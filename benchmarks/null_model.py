"""A model that does nothing: what is left is the way there and back."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge.engine import NodeLibrary, current_job
from bridge.graph import ALWAYS, Registry, node

WORKFLOW = {"1": {"class_type": "NullModel", "inputs": {}}}


@node("NullModel", category="benchmark", is_output=True, fingerprint=ALWAYS)
def null_model() -> None:
    """Send the colours of the frame back as the picture."""
    job = current_job()
    assert job.frame is not None
    job.send((replace(job.frame.planes["color"], name="image"),))


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """Bring the one node."""
    return NodeLibrary(Registry([null_model.node]), {"device": "none"})  # type: ignore[attr-defined]
