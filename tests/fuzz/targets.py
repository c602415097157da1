"""What is fuzzed: a function that may only raise our own errors, and inputs to begin with.

Each takes bytes of a stranger. Whatever else it raises is a fault, and a round trip that changes a message.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bridge.errors import BridgeError
from bridge.graph import (
    Definitions,
    InputDefinition,
    NodeDefinition,
    OutputDefinition,
    is_drawing,
    parse_workflow,
    read_drawing,
    validate,
)
from bridge.imaging.png_text import insert_texts, read_workflow
from bridge.protocol import decode, encode

TESTS = Path(__file__).parents[1]

_NODES = (
    NodeDefinition(
        "Load",
        "test",
        inputs=(InputDefinition("name", "COMBO", choices_from="checkpoints"),),
        outputs=(OutputDefinition("model", "MODEL"),),
    ),
    NodeDefinition(
        "Sample",
        "test",
        inputs=(
            InputDefinition("model", "MODEL"),
            InputDefinition("steps", "INT", default=20, minimum=1, maximum=100),
            InputDefinition("strength", "FLOAT", is_required=False, default=1.0, minimum=0.0, maximum=1.0),
            InputDefinition("sampler", "COMBO", choices=("euler", "heun")),
            InputDefinition("text", "STRING", is_multiline=True),
            InputDefinition("tiles", "BOOLEAN", is_required=False, default=False),
            InputDefinition(
                "seed", "INT", minimum=0, maximum=2**64 - 1, options={"control_after_generate": True}
            ),
            InputDefinition("size", "COMBO", is_required=False, choices=(64, 4.5, True, "auto")),
        ),
        outputs=(OutputDefinition("image", "IMAGE", is_list=True),),
    ),
    NodeDefinition(
        "Blend",
        "test",
        inputs=(InputDefinition("image", "IMAGE"),),
        outputs=(OutputDefinition("image", "IMAGE"),),
    ),
    NodeDefinition(
        "Save",
        "test",
        inputs=(InputDefinition("images", "IMAGE,MASK"), InputDefinition("any", "*", is_required=False)),
        is_output=True,
        takes_undeclared=True,
        takes_undeclared_values=True,
    ),
)
DEFINITIONS: Definitions = {definition.name: definition for definition in _NODES}

_SCRATCH = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)) / "fuzzed.png"


def envelope(data: bytes) -> None:
    """Decode a message; one that makes sense is the same after another trip."""
    for given in (data, data.decode("utf-8", "surrogatepass") if _is_text(data) else None):
        if given is None:
            continue
        with contextlib.suppress(BridgeError):
            message = decode(given)
            again = decode(encode(message))
            assert encode(again) == encode(message), message


def workflow(data: bytes) -> None:
    """Read and validate a workflow, in either form."""
    with contextlib.suppress(BridgeError):
        read = parse_workflow(data)
        found = validate(read, DEFINITIONS, lambda folder: ["a.safetensors", "b.safetensors"])
        json.dumps([problem.to_json() for problem in found.problems]).encode()
        found.raise_if_nothing_runs()
        parse_workflow(found.workflow.to_json())
    with contextlib.suppress(BridgeError, ValueError, RecursionError):
        drawing = json.loads(data)
        if isinstance(drawing, dict) and is_drawing(drawing):
            _read_drawing(drawing)


def _read_drawing(drawing: dict[str, object]) -> None:
    try:
        read = parse_workflow(read_drawing(drawing, DEFINITIONS))
    except (ValueError, RecursionError) as error:
        raise AssertionError(f"{type(error).__name__} for a drawing: {error}") from error
    validate(read, DEFINITIONS, lambda folder: [])


def picture(data: bytes) -> None:
    """Read the workflow in a picture."""
    _SCRATCH.write_bytes(data)
    with contextlib.suppress(BridgeError):
        read_workflow(_SCRATCH)


def seeds(name: str) -> Iterator[bytes]:
    """Yield inputs to begin with: what our own tests send, and what was once a fault."""
    yield from {"envelope": _messages, "workflow": _workflows, "picture": _pictures}[name]()
    for file in sorted((Path(__file__).parent / "found").glob(f"{name}-*")):
        yield file.read_bytes()


def _messages() -> Iterator[bytes]:
    for file in sorted((TESTS / "wire").iterdir()):
        if file.stat().st_size < 50_000:
            yield file.read_bytes()


def _workflows() -> Iterator[bytes]:
    sampler = {"model": ["1", 0], "steps": 4, "sampler": "euler", "text": "a", "seed": 2**64 - 1}
    graph = {
        "1": {"class_type": "Load", "inputs": {"name": "a.safetensors"}},
        "2": {"class_type": "Sample", "inputs": sampler, "_meta": {"title": "x"}},
        "3": {"class_type": "Save", "inputs": {"images": ["2", 0], "prefix": "x"}},
    }
    yield json.dumps(graph).encode()
    yield json.dumps({"prompt": graph}).encode()
    sampler["size"] = 100
    yield json.dumps(graph).encode()
    yield (TESTS / "graph" / "tutorial.json").read_bytes()
    load = {"id": 1, "type": "Load", "widgets_values": ["a.safetensors"], "outputs": [{"links": [1]}]}
    sample = {"id": 2, "type": "Sample", "widgets_values": [4, "euler", "a", 7], "mode": 0}
    wires = {"inputs": [{"name": "model", "link": 1}], "outputs": [{"links": [2], "type": "IMAGE"}]}
    save = {
        "id": 3,
        "type": "Save",
        "inputs": [{"name": "images", "link": 2}],
        "widgets_values": {"prefix": "x"},
    }
    nodes = [load, sample | wires, save]
    links = [[1, 1, 0, 2, 0, "MODEL"], [2, 2, 0, 3, 0, "IMAGE"]]
    yield json.dumps({"nodes": nodes, "links": links, "version": 0.4}).encode()


def _pictures() -> Iterator[bytes]:
    png = (TESTS.parent / "bridge" / "builtin" / "example.png").read_bytes()
    head = png[:33] + png[-12:]  # signature, IHDR and IEND
    yield head
    yield insert_texts(head, {"prompt": '{"1": {}}', "workflow": "{}"})
    yield insert_texts(head, {"prompt": "ü" * 100, "framebridge": "[]"})


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


TARGETS: dict[str, Callable[[bytes], None]] = {"envelope": envelope, "workflow": workflow, "picture": picture}
