"""What the Blender add-on costs: a picture's way there and back by parts, against a peer; and a tick.

    python -m benchmarks.blender [--bpy 5.0] [--sizes 512 1024] [--runs 30] [--seconds 10] [--json FILE]

Run it from a checkout. A Blender without a window (the Python module, fetched if it is not there) runs the
add-on as it ships, against a daemon whose model does nothing: what is left is the way. The peer, in the
same run and in turn with it, does what other add-ons do: render to a temporary PNG, upload it, poll,
download a PNG, load it. It is timed with polls every quarter second, and with none to wait for. Ours carries
the depth besides the colours.

Then the add-on's timer is called as Blender would, while a live view turns, and while nothing happens: its
time on Blender's main thread, without the drawing of the captures.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import blender_daemon, file_peer
from bridge.packaging import stage_blender
from tests.blender.environments import clean_environment, ensure_environment

HERE = Path(__file__).parent
TEST_SCRIPTS = HERE.parent / "tests" / "blender" / "scripts"
SCRIPT_S = 1800
POLL_S = 0.25
BUDGET_MS = 8.0
ROWS = (
    "capture: draw",
    "capture: read back",
    "capture: depth in metres, the rest",
    "send, until the daemon has it",
    "daemon and worker",
    "receive",
    "write into the image",
    "all",
    "send, on the main thread",
    "onto the GPU for the overlay, instead of the image",
)
PEER_ROWS = ("render", "write a PNG", "upload", "wait", "download", "load", "all")


@contextmanager
def running(serve: Callable[..., None], *arguments: str) -> Iterator[int]:
    """Run a server in a process of its own; gives its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, *arguments))
    process.start()
    theirs.close()  # so that a server that dies is the end of the pipe
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join(15)


def inside(python: Path, folder: Path, script: str, **options: Any) -> dict[str, Any]:
    """Run ``inside_blender/<script>.py`` and return what it measured.

    Args:
        python: Has the module ``bpy``.
        folder: Holds the staged add-on, and the daemon's runtime file; for temporary files, too.
        script: Its name.
        options: What it is to do.
    """
    report = folder / f"{script}.json"
    paths = os.pathsep.join(map(str, (folder, TEST_SCRIPTS)))
    environment = {
        "PYTHONPATH": paths, "BLENDER_USER_RESOURCES": str(folder / "user"), "FRAMEBRIDGE_HOME": str(folder)
    }  # fmt: skip
    request = {"report": str(report), "folder": str(folder), **options}
    done = subprocess.run(
        [python, HERE / "inside_blender" / f"{script}.py", json.dumps(request)],
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=SCRIPT_S,
    )
    if not report.exists():
        raise SystemExit(f"Blender ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    measured: dict[str, Any] = json.loads(report.read_text())
    for name, result in measured.items():
        if "error" in result:
            raise SystemExit(f"{name}:\n{result['error']}")
    return measured


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the first quartile, the median and the third, in milliseconds."""
    if len(values) == 1:
        return [values[0] * 1000] * 3
    return [value * 1000 for value in statistics.quantiles(values, n=4, method="inclusive")]


def ratios(ours: Sequence[Mapping[str, float]], theirs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return how many times longer theirs takes, whole and without its drawing: medians of paired rounds."""
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "all": statistics.median(b["all"] / a["all"] for a, b in pairs),
        "besides drawing": statistics.median(
            (b["all"] - b["render"]) / (a["all"] - a["capture: draw"]) for a, b in pairs
        ),
    }


def table(rounds: Sequence[Mapping[str, float]], rows: Sequence[str]) -> dict[str, list[float]]:
    """Print the parts of one way; return their quartiles in milliseconds."""
    found = {row: quartiles([entry[row] for entry in rounds]) for row in rows}
    for row, (low, middle, high) in found.items():
        print(f"    {row:52}{middle:9.2f} ms   ({low:.2f} … {high:.2f})")
    return found


def report_parts(parts: Mapping[str, Mapping[str, list[dict[str, float]]]]) -> dict[str, Any]:
    """Print all sizes and ways; return the figures."""
    figures = {}
    for size, ways in parts.items():
        print(f"\n{size}², median of {len(ways['ours'])} rounds (quartiles)")
        ours: dict[str, Any] = {"ours": table(ways["ours"], ROWS)}
        for name in ("theirs", "theirs, no wait"):
            found = ratios(ways["ours"], ways[name])
            print(f"  {name}: {found['all']:.1f}× ours, besides drawing {found['besides drawing']:.1f}×")
            ours[name] = table(ways[name], PEER_ROWS) | {"ratios": found}
        figures[size] = ours
    return figures


def report_ticks(kind: str, taken: Sequence[tuple[float, float]]) -> dict[str, float]:
    """Print what ticks of one kind take; return it in milliseconds.

    Args:
        kind: What they did.
        taken: Of each, the seconds that passed, and those of the processor: what the machine's other work
            does not change.
    """
    passed, computed = (sorted(value * 1000 for value in column) for column in zip(*taken, strict=True))
    found = {
        "ticks": len(passed),
        "median": statistics.median(passed),
        "p95": percentile_95(passed),
        "max": passed[-1],
        "over_budget": sum(value > BUDGET_MS for value in passed),
        "processor_median": statistics.median(computed),
        "processor_p95": percentile_95(computed),
    }
    print(
        f"    {kind:20}{len(passed):5}{found['median']:11.3f}{found['p95']:9.3f}{found['max']:9.3f}"
        f"{found['over_budget']:8}{found['processor_median']:14.3f}{found['processor_p95']:9.3f}"
    )
    return found


def percentile_95(values: Sequence[float]) -> float:
    """Return what 95 % of the values do not exceed."""
    return values[0] if len(values) == 1 else statistics.quantiles(values, n=20, method="inclusive")[-1]


def all_of(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Print what ticks take in one state, by kind; return the figures of those that occurred."""
    return {kind: report_ticks(kind, taken) for kind, taken in kinds.items() if taken}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bpy", default="5.0", help="version of Blender")
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long each live view turns")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    python = ensure_environment(options.bpy)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        stage_blender(folder)
        print(f"Blender {options.bpy}, load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        with running(blender_daemon.serve, home), running(file_peer.serve) as peer_port:
            chosen = {"sizes": options.sizes, "runs": options.runs, "seconds": options.seconds}
            parts = inside(python, folder, "parts", peer_port=peer_port, poll_s=POLL_S, **chosen)["parts"]
            figures: dict[str, Any] = {"parts": report_parts(parts)}
            ticks = inside(python, folder, "ticks", **chosen)
        print(
            "\nticks on Blender's main thread, without the captures' drawing, ms"
            f"\n{'count':>29}{'median':>11}{'95 %':>9}{'max':>9}{'> 8':>8}{'processor':>14}{'95 %':>9}"
        )
        for name, kinds in ticks["live"].items():
            print(f"  live view of {name}")
            figures[name] = all_of(kinds)
        print("  nothing to do")
        figures["idle"] = all_of(ticks["idle"])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
