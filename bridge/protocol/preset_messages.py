"""The messages about presets of the user's own: what of a workflow could be shown, keeping, removing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from .message import Id, Message, Name
from .schema import Length


@dataclass(frozen=True, slots=True)
class InspectWorkflow(Message):
    """Ask what of a workflow a preset could show; answered with ``answer`` {inputs, suggested, pictures}."""

    type: ClassVar[str] = "inspect_workflow"
    request: Id
    workflow: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SavePreset(Message):
    """Have a workflow kept as a preset; answered with ``answer`` {"name": text}.

    Args:
        request: Chosen by the client.
        title: What people call it; its name follows from it.
        workflow: ComfyUI API JSON.
        shown: What panels show, in their order: place (``node.input``) → label, which may be empty.
        feeds: Id of a node that loads a picture → what the host sends in its place.
        description: One sentence.
        replaces: Whether a preset of the user's of that name may go.
    """

    type: ClassVar[str] = "save_preset"
    request: Id
    title: Annotated[str, Length(1, 256)]
    workflow: Mapping[str, Any]
    shown: Mapping[str, Any] = field(default_factory=dict)
    feeds: Mapping[str, Any] = field(default_factory=dict)
    description: Name = ""
    replaces: bool = False

    def find_fault(self) -> str:
        """Say which entries are no texts."""
        entries = (*self.shown.values(), *self.feeds.values())
        return "" if all(isinstance(entry, str) for entry in entries) else "shown and feeds hold texts"


@dataclass(frozen=True, slots=True)
class RemovePreset(Message):
    """Have a preset of the user's removed; answered with ``answer`` {}."""

    type: ClassVar[str] = "remove_preset"
    request: Id
    name: Name


PRESET_REQUESTS: tuple[type[Message], ...] = (InspectWorkflow, SavePreset, RemovePreset)
"""What a client may ask about presets."""
