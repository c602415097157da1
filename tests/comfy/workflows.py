"""Small workflows of the nodes in ``comfy_nodes``."""

import itertools
from typing import Any

_colors = itertools.count(1)


def picture(color: int | None = None, **inputs: Any) -> dict[str, Any]:
    """A picture that is shown; of a colour that no test has asked for, unless one is given."""
    color = next(_colors) if color is None else color
    return {
        "1": {
            "class_type": "EmptyImage",
            "inputs": {"width": 4, "height": 4, "batch_size": 1, "color": color, **inputs},
        },
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


def through(class_type: str, **inputs: Any) -> dict[str, Any]:
    """What a node puts out, shown."""
    return {
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


def changed(**inputs: Any) -> dict[str, Any]:
    """The picture with other inputs; ``...`` takes one away."""
    workflow = picture()
    given = workflow["1"]["inputs"]
    given |= inputs
    workflow["1"]["inputs"] = {name: value for name, value in given.items() if value is not ...}
    return workflow
