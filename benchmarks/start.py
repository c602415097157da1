"""How soon a daemon answers after it was started, against Python importing the same libraries.

    python -m benchmarks.start [--rounds 10]

The peer is Python importing starlette, uvicorn, typer and the like: what any such program costs.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path

from bridge.client import read_runtime, runtime_file

LIBRARIES = "filelock, platformdirs, starlette.applications, typer, uvicorn, websockets.server"


def daemon_seconds(home: Path) -> float:
    """Start a daemon and return the seconds until ``/health`` answers."""
    os.environ["FRAMEBRIDGE_HOME"] = str(home)
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "serve", "--port", "0"], stderr=subprocess.DEVNULL
    )
    try:
        while not runtime_file().exists():
            time.sleep(0.002)
        runtime = read_runtime()
        assert runtime is not None
        connection = HTTPConnection("127.0.0.1", runtime.port)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        return time.perf_counter() - began
    finally:
        process.terminate()
        process.wait()


def import_seconds() -> float:
    """Return the seconds that Python takes to start and import the daemon's libraries."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {LIBRARIES}"], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure in turn, and print medians and the median ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        pairs = [(daemon_seconds(Path(home)), import_seconds()) for _ in range(options.rounds)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(first / second for first, second in pairs)
    print(f"daemon answers after {ours:.2f} s, the imports alone take {theirs:.2f} s: {ratio:.2f}×")


if __name__ == "__main__":
    main()
