"""Our daemon against ComfyUI's own server, both through ComfyUI's API, side by side in one run.

    python -m benchmarks.server --comfyui CHECKOUT --comfyui-python PYTHON [--rounds 20] [--starts 10]
                                [--json FILE]

Both run on the CPU, and the same client asks both in turn: first the one, in the next round the other.
Ratios are ours ÷ theirs, medians of paired rounds with what they lie between in 95 of 100 resamplings; below
1 is in our favour. Memory is the proportional share (PSS) of all processes of a server, ours with its worker.
"""

import argparse
import io
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.comfy_client import ComfyClient
from benchmarks.rival_servers import Server, start_comfyui, start_framebridge
from bridge.client import Client, Locator
from bridge.protocol import Frame, Plane

SIZE = 512
BURST = 50
FILES = 10_000
WARM_UP = 2
SETTLE_S = 3.0
"""Until a server that has done something is idle."""

RESAMPLINGS = 10_000

Measure = Callable[[int], float]
"""From the number of a round to a figure: seconds, or bytes."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure, ours against theirs.

    Args:
        name: What was measured.
        unit: ``ms``, ``s``, ``MB``.
        ours: One value a round.
        theirs: The same of the same rounds.
    """

    name: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]

    def to_json(self) -> dict[str, Any]:
        """Return medians, the ratio and its bounds."""
        ratios = np.array(self.ours) / np.array(self.theirs)
        drawn = np.random.default_rng(0).choice(ratios, (RESAMPLINGS, len(ratios)))
        low, high = np.quantile(np.median(drawn, axis=1), [0.025, 0.975])
        return {
            "name": self.name,
            "rounds": len(ratios),
            "unit": self.unit,
            "ours": float(np.median(self.ours)),
            "theirs": float(np.median(self.theirs)),
            "ratio": float(np.median(ratios)),
            "bounds": [float(low), float(high)],
        }


def noop(value: int) -> dict[str, Any]:
    """Return a workflow that does nothing and shows it."""
    return {
        "1": {"class_type": "PrimitiveInt", "inputs": {"value": value}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }


def inverted(name: str) -> dict[str, Any]:
    """Return a workflow that inverts an uploaded picture."""
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


def saved(color: int, prefix: str) -> dict[str, Any]:
    """Return a workflow that saves a small picture."""
    size = {"width": 64, "height": 64, "batch_size": 1}
    return {
        "1": {"class_type": "EmptyImage", "inputs": {**size, "color": color}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


SOCKET_WORKFLOW = {
    "1": {"class_type": "HostPicture", "inputs": {"name": "color", "width": 0, "height": 0}},
    "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "SendToHost", "inputs": {"images": ["2", 0]}},
}


class Pictures:
    """A new picture each time, so that nothing is found in a cache."""

    def __init__(self) -> None:
        smooth = np.linspace(0, 255, SIZE, dtype=np.uint8)
        self._base = np.stack(np.broadcast_arrays(smooth, smooth[:, None], np.uint8(64)), axis=2)
        self._numbers = itertools.count(1)

    def next(self) -> np.ndarray:
        """Return u8 of shape (512, 512, 3): slopes with the noise of a photograph."""
        noise = np.random.default_rng(next(self._numbers)).integers(0, 12, self._base.shape, dtype=np.uint8)
        return self._base // 2 + noise


class Through:
    """What a client of ComfyUI's API measures at one server.

    Args:
        client: Its connection.
        numbers: Gives values that no workflow has had.
        pictures: Gives pictures that nobody has seen.
    """

    def __init__(self, client: ComfyClient, numbers: "itertools.count[int]", pictures: Pictures) -> None:
        self._client = client
        self._numbers = numbers
        self._pictures = pictures

    def latency(self, round_number: int) -> float:
        """Return the seconds that a new prompt takes that does nothing."""
        return timed(lambda: self._client.run(noop(next(self._numbers))))

    def cached(self, round_number: int) -> float:
        """Return the seconds that the same prompt takes again."""
        workflow = noop(next(self._numbers))
        self._client.run(workflow)
        return timed(lambda: self._client.run(workflow))

    def burst(self, round_number: int) -> float:
        """Return the seconds a prompt takes when many are queued at once."""
        workflows = [noop(next(self._numbers)) for _ in range(BURST)]
        client = self._client
        return timed(lambda: client.wait([client.submit(workflow) for workflow in workflows])) / BURST

    def picture(self, round_number: int) -> float:
        """Return the seconds from a picture's PNG to that of the inverted one."""
        pixels = self._pictures.next()
        png = io.BytesIO()
        Image.fromarray(pixels).save(png, "PNG", compress_level=1)
        began = time.perf_counter()
        shown = self._client.run(inverted(self._client.upload(png.getvalue())))
        answer = self._client.view(shown["3"]["images"][0])
        took = time.perf_counter() - began
        inverse = np.asarray(Image.open(io.BytesIO(answer)).convert("RGB"))
        assert np.abs(inverse.astype(int) - (255 - pixels)).max() <= 1  # ComfyUI rounds down
        return took

    def saving(self, prefix: str) -> Measure:
        """Return what measures the seconds that saving a small picture takes."""
        return lambda number: timed(lambda: self._client.run(saved(next(self._numbers) % 2**24, prefix)))


def over_our_socket(client: Client, pictures: Pictures) -> Measure:
    """Return what measures the seconds from a picture to the inverted one over the native socket."""

    def measure(round_number: int) -> float:
        pixels = pictures.next()
        frame = Frame({"color": Plane("color", pixels.shape, "u8", pixels.tobytes())})
        began = time.perf_counter()
        outcome = client.run(workflow=SOCKET_WORKFLOW, frame=frame, timeout_s=60)
        took = time.perf_counter() - began
        answer = np.frombuffer(outcome.images[0].data, np.uint8).reshape(pixels.shape)
        assert np.array_equal(answer, 255 - pixels)
        return took

    return measure


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def paired(
    name: str, unit: str, ours: Measure, theirs: Measure, rounds: int, warm_up: int = WARM_UP
) -> Comparison:
    """Measure both in turn, who goes first in turn too."""
    values: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(warm_up + rounds):
        order = [("ours", ours), ("theirs", theirs)]
        for side, measure in order if number % 2 else order[::-1]:
            figure = measure(number)
            if number >= warm_up:
                values[side].append(figure)
    comparison = Comparison(name, unit, values["ours"], values["theirs"])
    print(line_of(comparison.to_json()), flush=True)
    return comparison


def line_of(figures: Mapping[str, Any]) -> str:
    """Return one line of the table."""
    scale = {"ms": 1e3, "s": 1.0, "MB": 1e-6}[figures["unit"]]
    low, high = figures["bounds"]
    medians = f"{figures['ours'] * scale:10.2f}{figures['theirs'] * scale:10.2f} {figures['unit']:3}"
    ratio = f"{figures['ratio']:7.3f} ({low:.3f} to {high:.3f}), n = {figures['rounds']}"
    return f"{figures['name']:44}{medians}{ratio}"


def compare_starts(starts: Sequence[Callable[[Path], Server]], folder: Path, rounds: int) -> list[Comparison]:
    """Compare how soon servers answer and have run a prompt, and what they hold when they are idle."""
    seen: list[dict[str, list[float]]] = [{"answer": [], "prompt": [], "memory": []} for _ in starts]
    for number in range(rounds):
        for side, start in list(enumerate(starts))[:: 1 if number % 2 else -1]:
            home = folder / f"{side}"
            home.mkdir(exist_ok=True)
            began = time.perf_counter()
            server = start(home)
            client = ComfyClient(server.port)
            client.run(noop(number))
            seen[side]["prompt"].append(time.perf_counter() - began)
            seen[side]["answer"].append(server.first_answer_s)
            client.close()
            time.sleep(SETTLE_S)
            seen[side]["memory"].append(server.memory_bytes())
            server.stop()
    names = (("start to first answer", "s", "answer"), ("start to first prompt", "s", "prompt"))
    comparisons = [Comparison(name, unit, seen[0][key], seen[1][key]) for name, unit, key in names]
    comparisons.append(Comparison("memory idle (PSS)", "MB", seen[0]["memory"], seen[1]["memory"]))
    for comparison in comparisons:
        print(line_of(comparison.to_json()), flush=True)
    return comparisons


def compare_work(servers: Sequence[Server], rounds: int) -> list[Comparison]:
    """Compare what running servers take for prompts and pictures."""
    numbers, pictures = itertools.count(1), Pictures()
    with ExitStack() as stack:
        ours, theirs = (
            Through(stack.enter_context(closing(ComfyClient(server.port))), numbers, pictures)
            for server in servers
        )
        found = [
            paired("no-op prompt", "ms", ours.latency, theirs.latency, rounds),
            paired("cached prompt", "ms", ours.cached, theirs.cached, rounds),
            paired(f"prompt, {BURST} at once", "ms", ours.burst, theirs.burst, max(10, rounds // 2)),
            paired(f"picture {SIZE}² up, inverted, down", "ms", ours.picture, theirs.picture, rounds),
        ]
        os.environ["FRAMEBRIDGE_HOME"] = str(servers[0].home)
        with Client(Locator(), name="benchmark") as client:
            socket = over_our_socket(client, pictures)
            found.append(paired("the same over our socket", "ms", socket, theirs.picture, rounds))
        for server in servers:
            fill(server.output)
        for name, side in (("ours", ours), ("ComfyUI", theirs)):
            full, empty = side.saving("full"), side.saving("fresh/full")
            found.append(paired(f"{name}: saving, {FILES} files ÷ none", "ms", full, empty, rounds))
        found.append(
            paired(f"saving with {FILES} files", "ms", ours.saving("full"), theirs.saving("full"), rounds)
        )
        found.append(paired(f"no-op with {FILES} files", "ms", ours.latency, theirs.latency, rounds))
    return found


def fill(folder: Path) -> None:
    """Put many small files where pictures are kept, named as they are."""
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    for number in range(1, FILES + 1):
        (folder / f"full_{number:05}_.png").write_bytes(png.getvalue())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given = os.environ.get
    parser.add_argument("--comfyui", type=Path, default=given("FRAMEBRIDGE_COMFYUI"), help="its checkout")
    parser.add_argument("--comfyui-python", type=Path, default=given("FRAMEBRIDGE_COMFYUI_PYTHON"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--starts", type=int, default=10, help="how often both are started; 0 for not at all")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if not (options.comfyui and options.comfyui_python):
        sys.exit("skipped: name a checkout of ComfyUI (--comfyui) and its interpreter (--comfyui-python)")
    load = os.getloadavg()[0]
    print(f"load average {load:.1f}, {os.cpu_count()} cores\n{'':44}{'ours':>10}{'ComfyUI':>10}    ratio")
    starts = (start_framebridge, lambda home: start_comfyui(home, options.comfyui, options.comfyui_python))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        found = compare_starts(starts, Path(folder), options.starts) if options.starts else []
        servers = []
        for side, start in enumerate(starts):
            home = Path(folder, f"work{side}")
            home.mkdir()
            servers.append(start(home))
            stack.callback(servers[-1].stop)
        found += compare_work(servers, options.rounds)
    if options.json:
        report = {"load": load, "cores": os.cpu_count(), "figures": [each.to_json() for each in found]}
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
