"""What a daemon, or a single run without one, is to work with, and where its files lie."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from bridge.builtin import model_folder, place_example_picture
from bridge.client import DEFAULT_PORT, state_folder
from bridge.daemon.packs import installed_packs, packs_switched_off
from bridge.errors import BridgeError
from bridge.jobs import StoreSettings, WorkerSettings
from bridge.models import Catalogue, registry_file
from bridge.server import Outside


def data_folder() -> Path:
    """Return the folder for what the user sees: models, input and output pictures."""
    if os.environ.get("FRAMEBRIDGE_HOME", "").strip():
        return state_folder()
    return Path(platformdirs.user_data_dir("framebridge", appauthor=False))


def wildcard_folder() -> Path:
    """Return the folder of the user's wildcards; it may not exist."""
    return data_folder() / "wildcards"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a daemon, or a single run without one, is to work with.

    Args:
        host: Where to listen; loopback only.
        port: 0 takes any free one.
        models: Model folders, searched before the user's own.
        output: Where pictures are kept; in the user's data folder if ``None``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        dtype: ``auto``, ``float32``, ``float16`` or ``bfloat16``.
        threads: CPU threads for models; ``None`` leaves it to torch.
        cache_bytes: What cached results may hold.
        idle_timeout_s: The daemon leaves after so long without a client or a job; 0 means never.
        hang_timeout_s: A job that says nothing for so long is taken for hung, and ended.
        comfy_compatible: ComfyUI's routes need no token from this machine.
        webhook_hosts: Where results of ``POST /run`` may be sent, besides this machine.
        outside: How to listen to other machines; ``None`` to listen to none.
        token: What to ask for; a new one at every start if empty.
        custom_nodes: Packs of nodes in ComfyUI's form, or folders of them.
        history_jobs: How many jobs the history remembers.
        history_bytes: How large they and their results may be, together.
        history_days: How old they may be.
        survives_power_cuts: Queue and history wait for the disk at every step.
        bootstrap: ``package.module:callable`` that brings the nodes into the worker.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    models: Sequence[Path] = ()
    output: Path | None = None
    device: str = "auto"
    dtype: str = "auto"
    threads: int | None = None
    cache_bytes: int = 2 * 1024**3
    idle_timeout_s: float = 30 * 60.0
    hang_timeout_s: float = 600.0
    comfy_compatible: bool = False
    webhook_hosts: Sequence[str] = ()
    outside: Outside | None = None
    token: str = field(default="", repr=False)
    custom_nodes: Sequence[Path] = ()
    history_jobs: int = 10_000
    history_bytes: int = 2 * 1024**3
    history_days: float = 30.0
    survives_power_cuts: bool = False
    bootstrap: str = "bridge.nodes:load"

    @property
    def model_roots(self) -> tuple[Path, ...]:
        """Every model folder, in search order; last the settings file of those that the user has added."""
        named = (Path(root).expanduser().absolute() for root in self.models)
        return (*named, data_folder() / "models", registry_file())

    @property
    def catalogue(self) -> Catalogue:
        """The models in these folders, and those that come along."""
        return Catalogue(self.model_roots, model_folder())

    @property
    def preset_folders(self) -> tuple[Path, ...]:
        """Where the user's own presets lie."""
        return (data_folder() / "presets",)

    @property
    def user_folder(self) -> Path:
        """Where the editor keeps the user's files and settings."""
        return data_folder() / "user" / "default"

    @property
    def folders(self) -> Mapping[str, Path]:
        """``input``, ``output``, ``temp`` and ``frames``."""
        data = data_folder()
        output = self.output.expanduser().absolute() if self.output else data / "output"
        return {
            "input": data / "input",
            "output": output,
            "temp": data / "temp",
            "frames": state_folder() / "frames",
        }

    @property
    def definitions_file(self) -> Path | None:
        """Where node definitions are kept between starts; ``None`` if packs bring some, which may change."""
        has_packs = self.custom_nodes or any(not pack.is_off for pack in installed_packs())
        return None if has_packs else state_folder() / "definitions.json"

    @property
    def store(self) -> StoreSettings:
        """Where a daemon keeps queue and history, and how much of it."""
        return StoreSettings(
            state_folder() / "jobs",
            self.history_jobs,
            self.history_bytes,
            self.history_days,
            self.survives_power_cuts,
        )

    @property
    def worker(self) -> WorkerSettings:
        """The same as the worker wants it."""
        settings: dict[str, Any] = {
            "models": [str(root) for root in self.model_roots],
            **{name: str(path) for name, path in self.folders.items()},
            "device": self.device,
            "dtype": self.dtype,
            "threads": self.threads,
            "cache_bytes": self.cache_bytes,
            "custom_nodes": [str(Path(folder).expanduser().absolute()) for folder in self.custom_nodes],
            "without_packs": list(packs_switched_off()),
        }
        return WorkerSettings(settings, self.bootstrap, self.hang_timeout_s)

    def told(self) -> Mapping[str, Any]:
        """Return the fields as JSON data, for whoever helps; the token is not among them."""
        fields = asdict(self)
        del fields["token"]
        told: dict[str, Any] = json.loads(json.dumps(fields, default=str))
        return told


def make_folders(folders: Mapping[str, Path]) -> None:
    """Make what is missing; an input folder that is new gets the picture that the examples load.

    Raises:
        BridgeError: ``bad_folder``.
    """
    for name, folder in folders.items():
        try:
            if name == "input":
                place_example_picture(folder)
            folder.mkdir(parents=True, exist_ok=True)
            if name in ("frames", "temp"):  # captured views and previews are nobody else's business
                folder.chmod(0o700)
        except OSError as error:
            raise bad_folder(folder, error) from error


def bad_folder(folder: Path, error: OSError) -> BridgeError:
    """Return the error for a folder that cannot be used."""
    reason = error.strerror or error
    hint = "Choose another with --out, or move everything with FRAMEBRIDGE_HOME."
    return BridgeError(f"cannot write {folder}: {reason}", code="bad_folder", hint=hint)
