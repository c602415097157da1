"""What can be told of a machine without computing: folders, disks, the queue, packs, the daemon, its log."""

import contextlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.cli.finding import Finding
from bridge.cli.service import ask
from bridge.client import find_daemon, last_lines, log_file, state_folder
from bridge.daemon import Settings, data_folder, installed_packs
from bridge.errors import BridgeError, ModelError
from bridge.jobs import DATABASE
from bridge.models import read_registered, registry_file
from bridge.server import MIN_FREE_BYTES

LOG_LINES = 200
LOG_BYTES = 1024 * 1024
"""How much of the log is looked at, and goes into a bundle: so many lines, so far as they are in its end."""


def last_log_lines() -> list[str]:
    """Return the end of the daemon's log; it holds no prompts and no secrets."""
    return last_lines(log_file(), LOG_BYTES)[-LOG_LINES:]


def look_at_folders(settings: Settings) -> Iterator[Finding]:
    """Say where files lie, whether they can be written, and how much room there is."""
    places = {"state": state_folder(), "models, presets, wildcards": data_folder(), **settings.folders}
    for name, folder in places.items():
        there = next(parent for parent in (folder, *folder.parents) if parent.exists())
        free = shutil.disk_usage(there).free
        text = f"{name}: {folder}, {free / 1e9:.1f} GB free"
        if not os.access(there, os.W_OK):
            hint = "Give yourself the right to write there, or move everything with FRAMEBRIDGE_HOME."
            yield Finding("folders", "bad", f"{text}, cannot be written", hint)
        elif free < MIN_FREE_BYTES:
            yield Finding("folders", "bad", text, "Make room, or move everything with FRAMEBRIDGE_HOME.")
        else:
            yield Finding("folders", "ok", text)


def look_at_queue(folder: Path) -> Iterator[Finding]:
    """Say whether the file of queue and history is sound."""
    file = folder / DATABASE
    if file.exists():
        try:
            with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as base:
                verdict = str(base.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            verdict = str(error)
        if verdict == "ok":
            yield Finding("queue", "ok", f"{file}, {file.stat().st_size / 1e6:.1f} MB")
        else:
            hint = "Start the daemon again: it moves the damaged file aside and begins a new one."
            yield Finding("queue", "bad", f"{file} is damaged: {verdict}", hint)
    for aside in sorted(file.parent.glob(f"{file.name}.corrupt-*[0-9]")):
        hint = "Jobs in it are lost; delete it once you do not want to look at it any more."
        yield Finding("queue", "note", f"an earlier file was damaged, and is kept as {aside}", hint)


def look_at_packs() -> Iterator[Finding]:
    """Name the packs of nodes that pip has installed."""
    for pack in installed_packs():
        text = f"{pack.name} ({pack.package} {pack.version})"
        if pack.is_off:
            hint = f"framebridge packs on {pack.name} brings it back."
            yield Finding("packs", "note", f"{text} is switched off", hint)
        else:
            yield Finding("packs", "ok", text)


def look_at_model_list() -> Iterator[Finding]:
    """Say so if the folders of models that the user has added cannot be read."""
    try:
        read_registered(registry_file())
    except ModelError as error:
        yield Finding("models", "bad", error.message, error.hint)


def look_at_daemon() -> Iterator[Finding]:
    """Say whether a daemon runs, and how it is."""
    try:
        runtime = find_daemon()
        if runtime is None:
            yield Finding("daemon", "note", "not running", "Hosts start it; or run: framebridge serve")
            return
        status = ask(runtime, "GET", "/status")
    except BridgeError as error:
        yield Finding("daemon", "bad", error.message, error.hint)
        return
    where = f"running on port {runtime.port}, process {runtime.pid}, version {status['version']}"
    detail = f" ({status['detail']})" if status["detail"] else ""
    work = f"worker {status['worker']}{detail}, {status['queue_remaining']} jobs, {status['clients']} clients"
    if status["worker"] == "failed":
        hint = "The log says why; once that is mended, any request starts the worker again."
        yield Finding("daemon", "bad", f"{where}; {work}", hint)
    else:
        yield Finding("daemon", "ok", f"{where}; {work}")
    if status["queue_problem"]:
        if status["queue_is_kept"]:
            yield Finding("daemon", "note", status["queue_problem"])
        else:
            hint = "Make room on the disk; it tries again by itself."
            yield Finding("daemon", "bad", status["queue_problem"], hint)
    for module, reason in status["failures"].items():
        yield Finding("packs", "bad", f"{module} is not loaded: {reason}", "Ask whoever wrote it.")


def look_at_log() -> Iterator[Finding]:
    """Say what went wrong lately, if anything did."""
    lines = [record for line in last_log_lines() if (record := _record(line))]
    grave = [record for record in lines if record.get("level") in ("error", "critical")]
    if grave:
        last = grave[-1]
        text = f"{len(grave)} errors in the last {LOG_LINES} lines of {log_file()}"
        hint = "framebridge doctor --bundle FILE.zip collects what to send."
        yield Finding("log", "note", f"{text}; the last, {last['ts']}: {last['event'][:300]}", hint)
    elif lines:
        yield Finding("log", "ok", f"no errors in the last {LOG_LINES} lines of {log_file()}")


def _record(line: str) -> Mapping[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) and {"ts", "event"} <= record.keys() else {}
