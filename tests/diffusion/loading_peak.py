"""Load networks one after another, and print how much memory each was planned to take, and took at most.

Run as ``python -m tests.diffusion.loading_peak``; reads a JSON list of [file, storage] from standard input,
and answers with one of [planned, at most], in bytes. What counts is memory that no file stands behind: pages
of a mapped file are dropped when there is need.
"""

import ctypes
import gc
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from bridge.diffusion import Network, choose_placement, free, load_denoiser, load_text_encoder, set_placement


def taken() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def open_any(file: Path, storage: Any) -> Network[Any]:
    if file.name.startswith("t5"):
        return load_text_encoder([file], [file.name], "pixart").towers[0].network
    return load_denoiser(file, file.name, storage).unet


def peak_of(network: Network[Any]) -> int:
    """Load a network, looking every millisecond."""
    free()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # or what was freed before would be taken without being counted
    before, seen, is_loaded = taken(), [0], threading.Event()

    def watch() -> None:
        while not is_loaded.is_set():
            seen.append(taken())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    network.module()
    is_loaded.set()
    watcher.join()
    return max(*seen, taken()) - before


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    set_placement(choose_placement("cpu"))
    found = []
    for file, storage in json.load(sys.stdin):
        network = open_any(Path(file), storage)
        found.append((network.new_bytes, peak_of(network)))
    print(json.dumps(found))
