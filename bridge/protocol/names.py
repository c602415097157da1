"""What the numbers in a frame's planes stand for: the names of objects, collections and materials.

Numbers count from 1, as they do in the planes; 0 is none.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from .schema import Length, Place, fields_to_json, read_fields

MAX_NAMES = 16_384
"""Objects, collections or materials of one frame."""

Name = Annotated[str, Length(1, 255)]
"""Of a thing in the scene: any Unicode. Blender's are 63 bytes, 255 from 5.0 on."""

Numbers = Annotated[tuple[int, ...], Length(0, 256)]
"""Places in a list of names."""


@dataclass(frozen=True, slots=True)
class Named:
    """A collection or a material.

    Args:
        name: As the artist reads it.
        library: The file that it is linked from, which tells it from others of its name; empty for none.
    """

    name: Name
    library: Annotated[str, Length(0, 255)] = ""

    to_json = fields_to_json


@dataclass(frozen=True, slots=True)
class SceneObject:
    """An object.

    Args:
        name: As the artist reads it.
        library: As of ``Named``.
        within: What it is a part of besides collections: the object that instances it, or an empty that
            holds it. Who selects one of these selects it.
        collections: The numbers of all collections that it lies in, parents included.
        materials: The numbers of its materials, for a host that cannot tell them pixel by pixel.
    """

    name: Name
    library: Annotated[str, Length(0, 255)] = ""
    within: Annotated[tuple[Name, ...], Length(0, 64)] = ()
    collections: Numbers = ()
    materials: Numbers = ()

    to_json = fields_to_json


@dataclass(frozen=True, slots=True)
class Names:
    """The names of what a frame may show; what is there and not seen may be left out.

    Args:
        objects: Number n of ``object_ranks``, or of ``object_id`` where there are no ranks, is the n-th.
        collections: The n-th has the number n.
        materials: Number n of ``material_ranks`` is the n-th.
    """

    objects: tuple[SceneObject, ...] = ()
    collections: tuple[Named, ...] = ()
    materials: tuple[Named, ...] = ()

    to_json = fields_to_json

    @classmethod
    def read(cls, value: Any, place: Place) -> "Names":
        """Read what ``to_json`` wrote.

        Raises:
            RemoteProtocolError: ``bad_message``; ``too_many_names`` beyond ``MAX_NAMES`` of a kind.
        """
        for kind in ("objects", "collections", "materials"):
            entries = value.get(kind) if isinstance(value, dict) else None
            if isinstance(entries, list) and len(entries) > MAX_NAMES:
                raise place.field(kind).fault(
                    f"{len(entries)} names are more than the {MAX_NAMES} that a frame may hold",
                    code="too_many_names",
                    hint="Name only what is seen in the frame.",
                )
        names = cls(**read_fields(cls, value, place))
        names._check_numbers(place)
        return names

    def _check_numbers(self, place: Place) -> None:
        for index, item in enumerate(self.objects):
            for kind, count in (("collections", len(self.collections)), ("materials", len(self.materials))):
                if wrong := [number for number in getattr(item, kind) if not 1 <= number <= count]:
                    where = place.field("objects").item(index).field(kind)
                    raise where.fault(f"there is no number {wrong[0]} among {count} {kind}")
