"""The whole loop with a model that does nothing: our socket against two peers, in one run.

    python -m benchmarks.loop [--sizes 512 1024] [--rounds 20] [--json FILE]

RGB and 16-bit depth go from a client through the daemon to the worker, RGB comes back. The peers go
through the same daemon, queue and worker. Each round runs all three in turn; ratios are medians of
paired rounds.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np

from benchmarks.null_model import WORKFLOW
from benchmarks.peers import Base64Peer, PeerRoutes, PngPeer
from bridge.builtin import demo_frame_file
from bridge.client import Client, Locator
from bridge.daemon import Settings, create_service
from bridge.imaging import decode_plane, load_frame, quantise_depth
from bridge.protocol import Frame, Plane
from bridge.server import Access, WebServer, bind, create_app

WARM_UP = 3

Send = Callable[[np.ndarray, np.ndarray], np.ndarray]


def serve(pipe: Connection, token: str, home: str) -> None:
    """Run a daemon with the peers' routes until the other end of the pipe closes."""
    os.environ["FRAMEBRIDGE_HOME"] = home
    asyncio.run(_serve(pipe, token))


async def _serve(pipe: Connection, token: str) -> None:
    settings = Settings(port=0, bootstrap="benchmarks.null_model:load")
    service = create_service(settings, None)
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    app = create_app(service, Access(token, port), routes=PeerRoutes(service).routes)
    async with WebServer(app).serving(listener):
        await service.start()
        await service.definitions()
        pipe.send(port)
        await asyncio.to_thread(pipe.poll, None)
        await service.close()


def measure(port: int, token: str, size: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds from a frame to its picture, by way, one a round."""
    color, depth = frame_of_size(size)
    locator = Locator(f"ws://127.0.0.1:{port}/bridge", token)
    base64_peer, png_peer = Base64Peer(port, token), PngPeer(port, token)
    with Client(locator, name="benchmark") as client:
        client.wait_ready()
        with client.stream("loop", workflow=WORKFLOW) as stream:

            def ours(color: np.ndarray, depth: np.ndarray) -> np.ndarray:
                planes = {
                    "color": Plane("color", color.shape, "u8", color.tobytes()),
                    "depth": Plane("depth", depth.shape, "u16", depth.tobytes(), near=0.1, far=100.0),
                }
                stream.push(Frame(planes))
                result = stream.latest(timeout_s=30)
                assert result is not None
                return np.frombuffer(result.planes[0].data, np.uint8).reshape(color.shape)

            ways: dict[str, Send] = {"ours": ours, "base64": base64_peer.send, "png": png_peer.send}
            seconds = timed(ways, color, depth, rounds)
    png_peer.close()
    return seconds


def timed(ways: dict[str, Send], color: np.ndarray, depth: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Run all ways in turn, and see that each returns the very picture."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(WARM_UP + rounds):
        for name, send in ways.items():
            began = time.perf_counter()
            picture = send(color, depth)
            if number >= WARM_UP:
                seconds[name].append(time.perf_counter() - began)
            assert np.array_equal(picture, color), name
    return seconds


def frame_of_size(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the demo frame's colour (u8) and inverse depth (u16) at a size."""
    frame = load_frame(demo_frame_file())
    color = cv2.resize(
        decode_plane(frame.planes["color"])[..., :3], (size, size), interpolation=cv2.INTER_AREA
    )
    depth = cv2.resize(decode_plane(frame.planes["depth"]), (size, size), interpolation=cv2.INTER_NEAREST)
    return np.ascontiguousarray(color), np.ascontiguousarray(quantise_depth(depth, 0.1, 100.0))


def report(size: int, seconds: dict[str, list[float]]) -> dict[str, float]:
    """Print one size's table; return the ratios."""
    ratios = {}
    print(f"\n{size}², median of {len(seconds['ours'])} paired rounds")
    for name, values in seconds.items():
        median = statistics.median(values)
        ratios[name] = statistics.median(
            peer / ours for peer, ours in zip(values, seconds["ours"], strict=True)
        )
        print(f"  {name:8}{median * 1000:8.1f} ms{1 / median:8.1f} frames/s{ratios[name]:8.1f}×")
    return ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="also write the ratios here")
    options = parser.parse_args()
    token = secrets.token_urlsafe()
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    with tempfile.TemporaryDirectory() as home:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, token, home))
        process.start()
        theirs.close()  # so that a daemon that dies is the end of the pipe
        port = ours.recv()
        print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
        ratios = {size: report(size, measure(port, token, size, options.rounds)) for size in options.sizes}
        ours.send("done")
        process.join(15)
    if options.json:
        options.json.write_text(json.dumps(ratios, indent=2))


if __name__ == "__main__":
    main()
