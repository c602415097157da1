"""The messages about models: what is installed, what a workflow lacks, and getting more.

Nothing is pulled without consent: a plan is asked for first, and ``pull`` repeats what the user agreed to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from ..errors import Problem
from .message import Id, Message, Name
from .schema import MAX_INTEGER, Bounds, Length, OneOf

Source = Annotated[str, Length(1, 8192)]
"""Where a model comes from: an address, ``hf:owner/repo/file``, ``civitai:ID``, or a name of the list."""

Bytes = Annotated[int, Bounds(0, MAX_INTEGER)]
"""A size."""


# ---- from a client to the daemon -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListModels(Message):
    """Ask for the installed models of a kind, or of all; answered with ``answer`` {"models": [card, …]}."""

    type: ClassVar[str] = "list_models"
    request: Id
    folder: Name = ""


@dataclass(frozen=True, slots=True)
class ModelInfo(Message):
    """Ask for all that is known about a model; answered with ``answer`` {"model": …, "thumbnail": text}."""

    type: ClassVar[str] = "model_info"
    request: Id
    folder: Name
    name: Name


@dataclass(frozen=True, slots=True)
class VerifyModel(Message):
    """Have a model read through and checked; answered with ``answer`` {"verdict": …}, which takes a while."""

    type: ClassVar[str] = "verify_model"
    request: Id
    folder: Name
    name: Name


@dataclass(frozen=True, slots=True)
class LackingModels(Message):
    """Ask which models a workflow or preset lacks; answered with ``answer`` {"lacking": [model, …]}.

    Args:
        request: Chosen by the client.
        workflow: As in ``submit``.
        preset: As in ``submit``.
        values: As in ``submit``, for a preset.
        editor: The workflow as ComfyUI's editor keeps it, which may say where models come from.
    """

    type: ClassVar[str] = "lacking_models"
    request: Id
    workflow: Mapping[str, Any] = field(default_factory=dict)
    preset: Name = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    editor: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddFolder(Message):
    """Have a folder of models used from now on; answered with ``answer`` {"path": text, "models": number}."""

    type: ClassVar[str] = "add_folder"
    request: Id
    path: Annotated[str, Length(1, 4096)]


@dataclass(frozen=True, slots=True)
class PlanPull(Message):
    """Ask what would be pulled; answered with ``answer``: the plan, for the user to read.

    Args:
        request: Chosen by the client.
        source: Where it comes from.
        folder: Its kind; judged by its content if empty.
        name: Of the file; the source's own if empty.
        sha256: That it must have; in hexadecimal.
    """

    type: ClassVar[str] = "plan_pull"
    request: Id
    source: Source
    folder: Name = ""
    name: Name = ""
    sha256: Name = ""


@dataclass(frozen=True, slots=True)
class Pull(Message):
    """Have a plan carried out, naming what the user agreed to; answered with ``answer`` {"pull": id}.

    Args:
        request: Chosen by the client.
        plan: Of the plan.
        source: As the plan says.
        bytes: As the plan says.
        licence: As the plan says; may be empty.
    """

    type: ClassVar[str] = "pull"
    request: Id
    plan: Id
    source: Source
    bytes: Bytes
    licence: Name = ""


@dataclass(frozen=True, slots=True)
class CancelPull(Message):
    """End a pull and keep nothing of it; answered with ``answer`` {"cancelled": bool}."""

    type: ClassVar[str] = "cancel_pull"
    request: Id
    pull: Id


# ---- from the daemon to a client -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PullState(Message):
    """How a pull stands; sent to every client at every change.

    Args:
        pull: Its id, which is that of its plan.
        state: What is done with it.
        folder: Its kind.
        name: Of the file.
        done: Bytes that are here.
        total: Of how many.
        problems: Why it failed.
    """

    type: ClassVar[str] = "pull_state"
    pull: Id
    state: Annotated[str, OneOf("waiting", "pulling", "checking", "done", "failed", "cancelled")]
    folder: Name = ""
    name: Name = ""
    done: Bytes = 0
    total: Bytes = 0
    problems: tuple[Problem, ...] = ()


MODEL_REQUESTS: tuple[type[Message], ...] = (
    ListModels,
    ModelInfo,
    VerifyModel,
    LackingModels,
    AddFolder,
    PlanPull,
    Pull,
    CancelPull,
)
"""What a client may ask about models."""
