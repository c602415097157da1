"""``framebridge doctor``: look at each link of the chain, and say what to do about the one that is broken."""

import asyncio
import json
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bridge import __version__
from bridge.builtin import demo_frame_file, expand_preset
from bridge.cli import EXIT_FAILED
from bridge.cli.bundle import write_bundle
from bridge.cli.console import Console
from bridge.cli.finding import Finding
from bridge.cli.local import local_jobs
from bridge.cli.standing import (
    look_at_daemon,
    look_at_folders,
    look_at_log,
    look_at_model_list,
    look_at_packs,
    look_at_queue,
)
from bridge.client import state_folder
from bridge.daemon import Settings
from bridge.errors import BridgeError
from bridge.imaging import load_frame
from bridge.models import FOLDERS, Catalogue, find_folders
from bridge.protocol import Submit

PACKAGES = ("torch", "diffusers", "transformers", "safetensors", "numpy", "opencv-python-headless", "pillow")
GPU_HINT = "Install the build of torch for this GPU; the README has the line."

MARKS = {"ok": "[green]ok[/]  ", "note": "[yellow]note[/]", "bad": "[red]bad[/] "}


def doctor(folders: list[Path], as_json: bool, bundle: Path | None) -> int:
    """Print the findings; the exit code is 1 if a link is broken.

    Args:
        folders: Model folders.
        as_json: Whether scripts read what is printed.
        bundle: Where to write a file to send to somebody; ``None`` for nowhere.
    """
    settings = Settings(models=folders)
    findings = []
    for finding in _examine(settings):
        findings.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    if bundle:
        write_bundle(bundle, findings, settings)
        Console(stderr=True, highlight=False).print(f"{bundle} holds all this and the end of the log")
    return EXIT_FAILED if any(finding.state == "bad" for finding in findings) else 0


def find_gpu() -> str:
    """Name the accelerator that this machine has, without torch; empty if none is seen."""
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia/version").exists():
        return "an NVIDIA GPU"
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "an Apple GPU"
    return ""


def judge_device(gpu: str, environment: Mapping[str, Any]) -> Finding:
    """Say whether the device that torch chose is the best that this machine has.

    Args:
        gpu: From ``find_gpu``.
        environment: Of the worker: ``device``, ``dtype``, ``torch``.
    """
    device = str(environment.get("device", ""))
    text = f"{device}, {environment.get('dtype')}, torch {environment.get('torch')}"
    if gpu and device == "cpu":
        return Finding(
            "device", "bad", f"GPU present, torch is CPU-only ({gpu}; torch runs on {text})", GPU_HINT
        )
    return Finding("device", "ok", text)


def _examine(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        "framebridge", "ok", f"{__version__} on Python {platform.python_version()}, {platform.platform()}"
    )
    yield _packages()
    yield from look_at_folders(settings)
    yield from look_at_queue(state_folder() / "jobs")
    yield from look_at_daemon()
    yield from look_at_log()
    yield from look_at_packs()
    yield from look_at_model_list()
    yield _models(settings)
    yield from find_unused_folders(settings)
    yield from asyncio.run(_worker(settings))


def _packages() -> Finding:
    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "packages", "bad", f"missing: {', '.join(missing)}", "Install framebridge again with pip."
        )
    return Finding("packages", "ok", ", ".join(found))


def _models(settings: Settings) -> Finding:
    catalogue = settings.catalogue
    counts = {folder: len(catalogue.names(folder)) for folder in FOLDERS}
    found = ", ".join(f"{count} {folder}" for folder, count in counts.items() if count)
    return Finding("models", "ok", f"{found}; framebridge models lists them")


def find_unused_folders(settings: Settings) -> Iterator[Finding]:
    """Name the folders of ComfyUI and A1111 on this machine whose models are not used."""
    known = [folder.path for folder in Catalogue(settings.model_roots).folders]
    for each in find_folders(known):
        text = f"{each.program} at {each.folder.path} has {each.models} that are not used"
        yield Finding("models", "note", text, f'Use them: framebridge models add "{each.folder.path}"')


async def _worker(settings: Settings) -> list[Finding]:
    """Start a worker, ask what it computes on, and have it make one small picture."""
    findings = []
    try:
        async with local_jobs(settings) as jobs:
            await jobs.service.definitions()
            status = jobs.service.status()
            findings.append(judge_device(find_gpu(), status["environment"]))
            for module, reason in status["failures"].items():
                findings.append(Finding("nodes", "bad", f"{module} cannot be loaded: {reason}"))
            workflow = expand_preset("stylize", {"width": 256})
            outcome = await jobs.run(
                Submit("doctor", workflow, frame=load_frame(demo_frame_file())), lambda message: None
            )
            findings.append(Finding("picture", "ok", f"made one in {outcome.finished.timings['run']:.1f} s"))
    except BridgeError as error:
        findings.append(Finding("worker", "bad", str(error.problem), error.hint))
    return findings


def _print(finding: Finding) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{MARKS[finding.state]} {finding.link:12}", end="")
    console.print(finding.text, markup=False)
    if finding.hint:
        console.print(f"     {'':12}{finding.hint}", markup=False, style="dim")
