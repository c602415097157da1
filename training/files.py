"""Files that are whole or not there at all, and arrays that have their disk space."""

import io
import os
from pathlib import Path

import numpy as np
import torch


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Write a file so that a killed process leaves the old one or the new one."""
    part = path.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, path)


def save_state(state: object, path: Path) -> None:
    """Save tensors, whole; unlike torch.save to a path this tells a full disk by its OSError."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getbuffer())


def create_array(path: Path, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    """Create an ``.npy`` file of zeros to be mapped.

    Raises:
        OSError: The disk is full. Found out later, it would end the process that writes into the map.
    """
    np.lib.format.open_memmap(path, "w+", dtype, shape).flush()
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
