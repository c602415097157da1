"""What Krita's plugin asks for below ``/api/etn``: pictures in memory, kinds of models, LoRAs, languages.

1. ``PUT`` and ``GET /etn/image/ID`` hand pictures over without files; see ``bridge.comfy.pictures``.
2. ``/etn/model_info/FOLDER`` says which family each model is of, judged by its header alone.
3. A LoRA that is uploaded must be a safetensors file; it becomes one of the models only when it is whole.
   What has a name already is kept.
4. No translator is built in: no language is offered, and English alone comes back as it is.
5. Workflows that a client publishes are kept in memory and told to those that subscribe.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.bodies import read_json
from bridge.comfy.etn_models import ModelInfo
from bridge.comfy.hub import Hub
from bridge.comfy.pictures import PictureStore
from bridge.comfy.told import Event
from bridge.models import Catalogue
from bridge.server import NO_STORE, as_bytes, as_json

MAX_PUBLISHED = 16
MAX_SUBSCRIBERS = 64
MAX_NAME = 300
"""Characters of what clients and workflows are called."""

MAX_WORKFLOW_BYTES = 1024 * 1024
"""Of a workflow that is published; it is told to many."""

PUBLISHED = "etn_workflow_published"
"""The event that tells of a workflow."""


def etn_routes(hub: Hub, catalogue: Catalogue) -> list[Route]:
    """Return the routes, without ``/api``.

    Args:
        hub: Has the pictures, and tells clients of workflows.
        catalogue: The models.
    """
    images, info, exchange = ImageDesk(hub.pictures), ModelInfo(catalogue), WorkflowExchange(hub)
    return [
        Route("/etn/image/{picture}", images.get),
        Route("/etn/image/{picture}", images.put, methods=["PUT"]),
        Route("/etn/model_info", info.get),
        Route("/etn/model_info/{folder}", info.get),
        Route("/etn/upload/{folder}/{name}", info.upload, methods=["PUT"]),
        Route("/etn/languages", languages),
        Route("/etn/translate/{language}/{text:path}", translate),
        Route("/etn/workflow/publish", exchange.publish, methods=["POST"]),
        Route("/etn/workflow/subscribe", exchange.subscribe, methods=["POST"]),
        Route("/etn/workflow/unsubscribe", exchange.unsubscribe, methods=["POST"]),
    ]


class ImageDesk:
    """Takes pictures, and hands them out."""

    def __init__(self, pictures: PictureStore) -> None:
        self._pictures = pictures

    async def get(self, request: Request) -> Response:
        """Hand out a picture."""
        picture = self._pictures.get(request.path_params["picture"])
        if picture is None:
            return as_json({"error": "Image not found"}, HTTPStatus.NOT_FOUND)
        return as_bytes(picture.data, picture.media_type, NO_STORE)

    async def put(self, request: Request) -> Response:
        """Take a picture; one whose id is known is not read again."""
        name = request.path_params["picture"]
        if self._pictures.get(name):
            return as_json({"status": "cached"})
        self._pictures.put(name, await request.body())
        return as_json({"status": "success"}, HTTPStatus.CREATED)


class WorkflowExchange:
    """Hands workflows of the editor on to whoever wants to know of them."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._subscribers: OrderedDict[str, None] = OrderedDict()
        self._published: OrderedDict[str, Event] = OrderedDict()

    async def publish(self, request: Request) -> Response:
        """Tell all subscribers of a workflow, and those that come later."""
        given = await _fields(request, "workflow", "client_id", "name")
        client_id = given["client_id"]
        publisher = {"name": given["name"], "id": client_id}
        event = Event(PUBLISHED, {"publisher": publisher, "workflow": given["workflow"]})
        event = replace(event, text=await asyncio.to_thread(event.encoded))
        self._published.pop(client_id, None)
        self._published[client_id] = event
        if len(self._published) > MAX_PUBLISHED:
            self._published.popitem(last=False)
        for subscriber in self._subscribers:
            self._hub.client(subscriber).tell(event)
        return as_json({"status": "success"})

    async def subscribe(self, request: Request) -> Response:
        """Tell a client of what is published from now on, and was before."""
        client_id = (await _fields(request, "client_id"))["client_id"]
        self._subscribers[client_id] = None
        if len(self._subscribers) > MAX_SUBSCRIBERS:
            self._subscribers.popitem(last=False)
        for event in self._published.values():
            self._hub.client(client_id).tell(event)
        return as_json({"status": "success"})

    async def unsubscribe(self, request: Request) -> Response:
        """Tell a client no more."""
        client_id = (await _fields(request, "client_id"))["client_id"]
        self._subscribers.pop(client_id, None)
        return as_json({"status": "success"})


async def languages(request: Request) -> Response:
    """List the languages that can be translated (rule 4)."""
    return as_json([])


async def translate(request: Request) -> Response:
    """Return an English text as it is, and refuse any other (rule 4)."""
    if request.path_params["language"] != "en":
        return as_json({"error": "No translator is built in; write in English"}, HTTPStatus.NOT_IMPLEMENTED)
    return as_json(request.path_params["text"])


async def _fields(request: Request, *names: str) -> Mapping[str, Any]:
    """Return the fields of a JSON body; all but ``workflow`` are short texts.

    Raises:
        BridgeError: ``bad_json``, or ``message_too_large``.
        HTTPException: 400 where one is missing, or is none.
    """
    data = await read_json(request, MAX_WORKFLOW_BYTES)
    if not isinstance(data, dict) or any(name not in data for name in names):
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"the body is no object with {', '.join(names)}")
    for name in names:
        if name != "workflow" and not (isinstance(data[name], str) and len(data[name]) <= MAX_NAME):
            raise HTTPException(HTTPStatus.BAD_REQUEST, f"{name} is no text of up to {MAX_NAME} letters")
    return data
