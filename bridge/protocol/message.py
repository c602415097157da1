"""What all messages have in common, and the small types of their fields."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from .schema import Length

Id = Annotated[str, Length(1, 128)]
"""Names a request, job, stream or session."""

OptionalId = Annotated[str, Length(0, 128)]
"""The same, or empty where there is none."""

Name = Annotated[str, Length(0, 1024)]
"""What people or files are called."""


@dataclass(frozen=True, slots=True)
class Message:
    """The root of all messages; ``type`` names them on the wire."""

    type: ClassVar[str]

    def find_fault(self) -> str:
        """Say which fields contradict each other; empty if none do."""
        return ""
