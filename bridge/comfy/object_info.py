"""``/object_info``: every node as ComfyUI describes it, from which editors and typed clients are made.

1. All nodes take one form, the older one (``[[choices…], {…}]``), which every client understands.
2. The answer is large: it is encoded once, with gaps for the names of files, which are listed anew each time.
"""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.input_config import input_config
from bridge.graph import ChoicesOf, Definitions, NodeDefinition
from bridge.jobs import JobService
from bridge.server import NO_STORE, as_json

OURS = "custom_nodes.framebridge"
"""Where nodes come from that ComfyUI has only with a pack, or not at all; editors write it on the node."""

_CORE = "nodes"

_OUR_MODULES = frozenset(
    f"bridge.nodes.{name}"
    for name in (
        "depth",
        "flux_ip_adapter",
        "host_picture",
        "inpaint_tools",
        "ip_adapter",
        "krita",
        "objects",
        "preprocessors",
        "tooling",
        "viewport",
    )
)

_GAP = re.compile(rb'\["\\u0000([^"]*)"\]')
"""Where the names in a folder belong: what JSON makes of a list whose one value begins with a NUL."""


def object_info_routes(service: JobService, choices: ChoicesOf) -> list[Route]:
    """Return the routes that describe nodes.

    Args:
        service: Knows the nodes.
        choices: Lists the names in a folder.
    """
    catalogue = NodeCatalogue(service, choices)
    return [Route("/object_info", catalogue.all), Route("/object_info/{name:path}", catalogue.one)]


class NodeCatalogue:
    """Describes the nodes."""

    def __init__(self, service: JobService, choices: ChoicesOf) -> None:
        self._service = service
        self._choices = choices
        self._encoded: tuple[Definitions, list[bytes]] | None = None  # text, folder, text, folder, …, text

    async def all(self, request: Request) -> Response:
        """Answer with all nodes."""
        pieces = self._pieces(await self._service.definitions())
        body = await asyncio.to_thread(self._filled, pieces)
        return Response(body, media_type="application/json", headers=NO_STORE)

    async def one(self, request: Request) -> Response:
        """Answer with one node; with none if there is no such."""
        definition = (await self._service.definitions()).get(request.path_params["name"])
        if definition is None:
            return as_json({})
        return as_json({definition.name: await asyncio.to_thread(describe_node, definition, self._choices)})

    def _pieces(self, definitions: Definitions) -> list[bytes]:
        if self._encoded is None or self._encoded[0] is not definitions:
            described = {name: describe_node(node, _gap) for name, node in definitions.items()}
            self._encoded = (definitions, _GAP.split(json.dumps(described).encode()))
        return self._encoded[1]

    def _filled(self, pieces: Sequence[bytes]) -> bytes:
        folders = {
            folder: json.dumps(list(self._choices(folder.decode()))).encode() for folder in pieces[1::2]
        }
        return b"".join(folders[piece] if at % 2 else piece for at, piece in enumerate(pieces))


def describe_node(node: NodeDefinition, choices: ChoicesOf) -> Mapping[str, Any]:
    """Return a node as ComfyUI does.

    Args:
        node: The node.
        choices: Lists a folder.
    """
    inputs: dict[str, dict[str, Any]] = {"required": {}}
    for entry in node.inputs:
        kind = "required" if entry.is_required else "optional"
        inputs.setdefault(kind, {})[entry.name] = input_config(entry, choices)
    if node.hidden:
        inputs["hidden"] = dict(node.hidden)
    return {
        "input": inputs,
        "input_order": {kind: list(entries) for kind, entries in inputs.items()},
        "output": [output.type for output in node.outputs],
        "output_is_list": [output.is_list for output in node.outputs],
        "output_name": [output.name for output in node.outputs],
        "name": node.name,
        "display_name": node.display_name or node.name,
        "description": node.description,
        "python_module": OURS if node.module in _OUR_MODULES else _CORE,
        "category": node.category,
        "output_node": node.is_output,
        **node.details,
    }


def _gap(folder: str) -> Sequence[str]:
    return (f"\0{folder}",)
