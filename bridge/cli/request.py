"""What the command line was given, as plain data: this module is imported before anything runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be run, and how.

    Args:
        workflow: Its file; ``None`` where a preset is meant.
        preset: Its name; empty where a workflow is meant.
        out: Where pictures are written.
        models: Model folders.
        device: Where the models run.
        dtype: The number format that they run in.
        values: ``name=value`` texts.
        frame: The captured frame's file.
        pictures: ``FILE`` or ``NAME=FILE`` texts.
        custom_nodes: Packs of nodes, or folders of them.
        as_json: Whether a script reads the answer.
    """

    workflow: Path | None
    preset: str
    out: Path
    models: Sequence[Path]
    device: str
    dtype: str
    values: Sequence[str]
    frame: Path | None
    pictures: Sequence[str]
    custom_nodes: Sequence[Path]
    as_json: bool


@dataclass(frozen=True, slots=True)
class Prompts:
    """What pictures are to be of.

    Args:
        file: One prompt a line; ``None`` for none.
        texts: More of them.
        inputs: The inputs that take them; empty to find out.
        wildcards: Folders, searched before the user's own.
        variants: Texts that are drawn of each dynamic prompt.
        takes_all: Whether every combination of a dynamic prompt is made instead.
    """

    file: Path | None
    texts: Sequence[str]
    inputs: Sequence[str]
    wildcards: Sequence[Path]
    variants: int
    takes_all: bool


@dataclass(frozen=True, slots=True)
class Serving:
    """How the daemon is to run.

    Args:
        host: The loopback address to listen at.
        port: And the port.
        models: Model folders.
        out: Where pictures are written; ``None`` for the user's own folder.
        device: Where the models run.
        dtype: The number format that they run in.
        idle_minutes: It leaves after so long alone; 0 means never.
        hang_minutes: A job that says nothing for so long is ended.
        comfy_compatible: Whether ComfyUI's clients on this machine need no token.
        webhook_hosts: Where results of ``POST /run`` may be sent.
        custom_nodes: Packs of nodes, or folders of them.
        listen: The address to listen at for other machines; empty for none.
        listen_port: And the port; ``None`` for the usual one.
        certificate: For TLS.
        key: For TLS.
        token_file: Holds the token; ``None`` for a new one.
        names: What other machines call this one.
        history_days: How long jobs that have ended are remembered.
        history_gb: How large they and their results may be, together.
        survives_power_cuts: Whether queue and history wait for the disk at every step.
    """

    host: str
    port: int
    models: Sequence[Path]
    out: Path | None
    device: str
    dtype: str
    idle_minutes: float
    hang_minutes: float
    comfy_compatible: bool
    webhook_hosts: Sequence[str]
    custom_nodes: Sequence[Path]
    listen: str
    listen_port: int | None
    certificate: Path | None
    key: Path | None
    token_file: Path | None
    names: Sequence[str]
    history_days: float
    history_gb: float
    survives_power_cuts: bool
