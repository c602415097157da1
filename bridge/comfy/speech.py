"""What a client may say on ``/ws``: its flags as in ComfyUI, and, which is ours, prompts and pictures.

So a client needs one connection and no file: it sends pictures, names them in its prompt, and gets others.

1. ``{"type": "feature_flags", "data": {…}}``, as the first text only: ours are told in return.
2. ``{"type": "prompt", "data": {"request": …, …}}``, with the body of ``POST /prompt``: what it would answer
   is told as ``prompt_accepted`` or ``prompt_refused``, with the ``request``: a number, or a short text.
   The prompt is this client's.
3. A binary message, ``uint32 100``, the length of a JSON ``{"id": …}`` as ``uint32``, that, and the bytes
   of a picture (all big-endian): it is kept in memory, and ``picture_kept`` is told. ``ETN_LoadImageCache``
   reads it.
4. ``{"type": "picture", "data": {"id": …}}``: a picture that is kept, as a binary message of type 4.
5. What makes no sense is not answered, and ends nothing; why something cannot be done is told.
"""

import struct
from collections.abc import Mapping
from typing import Any

from bridge.comfy.bodies import parse_object
from bridge.comfy.hub import Hub
from bridge.comfy.outlet import Outlet
from bridge.comfy.prompt import PromptDesk, PromptRefused
from bridge.comfy.system import FEATURES
from bridge.comfy.told import Event, Picture
from bridge.errors import BridgeError
from bridge.protocol import MAX_JSON_BYTES

PICTURE = 100
"""What begins a binary message with a picture for us."""

MAX_REQUEST = 200
"""Characters of what a client calls a prompt of its own."""

_PREFIX = struct.Struct(">II")


class Speech:
    """Listens to one client.

    Args:
        hub: Knows the client, and keeps its pictures.
        prompts: Takes its prompts.
        client_id: Who it is.
        outlet: Where it is answered.
    """

    def __init__(self, hub: Hub, prompts: PromptDesk, client_id: str, outlet: Outlet) -> None:
        self._hub = hub
        self._prompts = prompts
        self._client_id = client_id
        self._outlet = outlet
        self._is_first = True

    async def hear(self, message: str | bytes) -> None:
        """Do what a message asks for."""
        if isinstance(message, bytes):
            self._keep(message)
            return
        said = _object(message) if len(message) <= MAX_JSON_BYTES else {}
        data = said.get("data")
        is_first, self._is_first = self._is_first, False
        if not isinstance(data, Mapping):
            return
        if said.get("type") == "feature_flags" and is_first:
            self._learn(data)
        elif said.get("type") == "prompt":
            await self._queue(data)
        elif said.get("type") == "picture":
            self._show(data.get("id"))

    def _learn(self, flags: Mapping[str, Any]) -> None:
        self._outlet.takes_metadata = bool(flags.get("supports_preview_metadata"))
        self._hub.client(self._client_id).takes_metadata = self._outlet.takes_metadata
        self._outlet.put(Event("feature_flags", FEATURES))

    async def _queue(self, data: Mapping[str, Any]) -> None:
        request = {"request": _name(data.get("request"))}
        try:
            accepted = await self._prompts.submit({**data, "client_id": self._client_id})
        except PromptRefused as refused:
            self._outlet.put(Event("prompt_refused", {**refused.body, **request}))
        else:
            self._outlet.put(Event("prompt_accepted", {**accepted, **request}))

    def _keep(self, message: bytes) -> None:
        if len(message) < _PREFIX.size:
            return
        kind, length = _PREFIX.unpack_from(message)
        start = _PREFIX.size + length
        if kind != PICTURE or length > MAX_JSON_BYTES or start > len(message):
            return
        picture_id = _object(message[_PREFIX.size : start]).get("id")
        if not isinstance(picture_id, str):
            return
        try:
            self._hub.pictures.put(picture_id, message[start:])
        except BridgeError as error:
            self._outlet.put(
                Event("picture_refused", {"id": picture_id[:MAX_REQUEST], **error.problem.to_json()})
            )
        else:
            self._outlet.put(Event("picture_kept", {"id": picture_id}))

    def _show(self, picture_id: Any) -> None:
        picture_id = _name(picture_id)
        picture = self._hub.pictures.get(picture_id) if isinstance(picture_id, str) else None
        if picture is None:
            told = {
                "code": "picture_not_kept",
                "message": "no such picture is kept",
                "hint": "Send it again.",
            }
            self._outlet.put(Event("picture_refused", {"id": picture_id, **told}))
        else:
            about = {"id": picture_id}
            self._outlet.put(
                Picture(picture.media_type, picture.data, about, is_passing=False, is_described=True)
            )


def _name(request: Any) -> str | int | float | None:
    """Return what a client calls its prompt, as far as it is said back."""
    if isinstance(request, str):
        return request[:MAX_REQUEST]
    return request if isinstance(request, int | float) and abs(request) < 2**63 else None


def _object(text: str | bytes) -> dict[str, Any]:
    """Return the JSON object that a text is; an empty one if it is none."""
    try:
        return parse_object(text.encode() if isinstance(text, str) else text)
    except BridgeError:
        return {}
