"""Pictures that clients and workflows hand each other in memory, by id; no file is written.

1. A picture is a PNG, JPEG or WebP of bearable size, judged by its first bytes; nothing is decoded.
2. All together take ``MAX_BYTES`` at most. Whoever was not asked for longest goes first.
3. A job takes what it names along when it is queued, so that nothing can push its pictures out,
   and they survive a crash with it.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.comfy.picture_head import judged, too_large
from bridge.engine import GIVEN, KEPT
from bridge.errors import InputError
from bridge.protocol import Buffer, Frame, Plane, Result

logger = logging.getLogger(__name__)

MAX_BYTES = 256 * 1024 * 1024

ENTRY_BYTES = 1000
"""What a picture counts for beyond its size."""

LOADER = "ETN_LoadImageCache"
"""The class of nodes that name pictures."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """A picture as it came.

    Args:
        data: The file.
        media_type: ``image/png``, ``image/jpeg`` or ``image/webp``.
        size: Width and height, pixels.
    """

    data: Buffer = field(repr=False)
    media_type: str
    size: tuple[int, int]


class PictureStore:
    """The pictures.

    Args:
        max_bytes: What all may take.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pictures: OrderedDict[str, KeptPicture] = OrderedDict()
        self._bytes = 0

    def put(self, picture_id: str, data: Buffer) -> None:
        """Keep a picture, in the place of one that had this id.

        Raises:
            InputError: ``bad_picture_id``, ``bad_image`` or ``image_too_large``.
        """
        if not _ID.fullmatch(picture_id):
            raise InputError(
                f'"{picture_id[:40]}" is no id of a picture',
                code="bad_picture_id",
                hint="Use up to 100 letters, digits, dashes and underscores: a UUID, for example.",
            )
        picture = KeptPicture(data, *judged("the picture", bytes(data)))
        if _cost_of(data) > self._max_bytes:
            raise too_large(f"the picture has {len(data)} B; all together may have {self._max_bytes}")
        self._drop(picture_id)
        self._pictures[picture_id] = picture
        self._bytes += _cost_of(data)
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._pictures)))

    def get(self, picture_id: str) -> KeptPicture | None:
        """Return a picture, which stays; ``None`` where it is not here."""
        if picture_id in self._pictures:
            self._pictures.move_to_end(picture_id)
        return self._pictures.get(picture_id)

    def take_in(self, result: Result) -> bool:
        """Keep what a node has handed over; return whether there was anything."""
        kept = [plane for plane in result.planes if plane.name.startswith(KEPT)]
        for plane in kept:
            try:
                self.put(plane.name.removeprefix(KEPT), plane.data)
            except InputError as error:
                logger.warning("a picture of job %s is not kept: %s", result.job, error.code)
        return bool(kept)

    def frame_for(self, workflow: Mapping[str, Any]) -> Frame | None:
        """Return the pictures that a workflow names, as a job takes them along (rule 3).

        Raises:
            InputError: ``picture_not_kept`` if one is not here.
        """
        planes = {name: self._plane(name) for name in _named_by(workflow)}
        return Frame({plane.name: plane for plane in planes.values()}) if planes else None

    def _plane(self, picture_id: str) -> Plane:
        picture = self.get(picture_id)
        if picture is None:
            raise InputError(
                f'no picture "{picture_id[:100]}" is kept; pictures that are not used make room for others',
                code="picture_not_kept",
                hint="Send it again: PUT /api/etn/image/ID.",
            )
        width, height = picture.size
        codec = picture.media_type.removeprefix("image/")
        return Plane(GIVEN + picture_id, (height, width, 3), "u8", picture.data, codec)

    def _drop(self, picture_id: str) -> None:
        picture = self._pictures.pop(picture_id, None)
        self._bytes -= _cost_of(picture.data) if picture else 0


def _cost_of(data: Buffer) -> int:
    """Return how many bytes a picture counts for."""
    return ENTRY_BYTES + memoryview(data).nbytes


def _named_by(workflow: Mapping[str, Any]) -> set[str]:
    nodes = [node for node in workflow.values() if isinstance(node, Mapping)]
    inputs = [node.get("inputs") for node in nodes if node.get("class_type") == LOADER]
    named = [given.get("id") for given in inputs if isinstance(given, Mapping)]
    return {name for name in named if isinstance(name, str)}
