"""Nodes that do to their worker whatever can happen to one; no torch."""

import mmap
import os
import resource
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from bridge.engine import NodeLibrary, current_job
from bridge.errors import ModelError
from bridge.graph import ALWAYS, ExtraJson, Registry, Socket, WorkflowJson, node
from bridge.imaging import encode_png, output_stem, save_numbered, workflow_texts, writing_to

FILE_LIMIT = "FRAGILE_FILE_BYTES"
"""Environment variable: how large a file of the worker's may become."""

Phase = Annotated[str | None, Socket("PHASE")]


@node("Steps", category="fragile", is_output=True, fingerprint=ALWAYS)
async def steps(trace: str, count: int = 10, seconds: float = 0.0, after: Phase = None) -> Phase:
    """Take turns at the device, and leave a letter in a file for each."""
    for index in range(count):
        async with current_job().step():
            with open(trace, "ab", buffering=0) as file:
                file.write(b"x")
            time.sleep(seconds)
        current_job().progress(index + 1, count)
    return trace


@node("Hang", category="fragile", is_output=True, fingerprint=ALWAYS)
def hang() -> None:
    """Never return."""
    time.sleep(3600)


@node("Die", category="fragile", is_output=True, fingerprint=ALWAYS)
def die(how: str = "SIGSEGV") -> None:
    """Be killed by a signal."""
    os.kill(os.getpid(), signal.Signals[how])
    time.sleep(60)


@node("MappedModel", category="fragile", is_output=True, fingerprint=ALWAYS)
def mapped_model(path: str, size: int) -> None:
    """Map a model, and read its last page once somebody has looked away from a file named ``busy``."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size < size:
            raise ModelError(f"{path} is incomplete", code="model_corrupt", hint="Download it again.")
        mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    busy = Path(f"{path}.busy")
    busy.touch()
    while busy.exists():
        time.sleep(0.005)
    current_job().show({"last": [mapped[size - 1]]})


@node("Save", category="fragile", is_output=True, fingerprint=ALWAYS)
def save(prefix: str, side: int = 8, prompt: WorkflowJson = None, extra: ExtraJson = None) -> None:
    """Save a picture of noise, which cannot be compressed."""
    folder = current_job().folders.output
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    with writing_to(folder):
        stem = output_stem(folder, prefix)
        saved = save_numbered(stem.parent, stem.name, encode_png(noise, workflow_texts(prompt, extra)))
    current_job().show({"images": [saved.name]})


@node("Quote", category="fragile", is_output=True, fingerprint=ALWAYS)
def quote(text: str, api_key: str = "") -> None:
    """Print what it was given, and fail with it."""
    print(f"working on {text} with {api_key}", flush=True)
    raise ValueError(f"cannot do with {text!r} and {api_key}")


def load(settings: Mapping[str, Any]) -> NodeLibrary:
    """The worker's bootstrap."""
    if FILE_LIMIT in os.environ:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails then, instead of the process
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ[FILE_LIMIT]), resource.RLIM_INFINITY))
    functions = (steps, hang, die, mapped_model, save, quote)
    return NodeLibrary(Registry([each.node for each in functions]), {"device": "cpu"})  # type: ignore[attr-defined]
