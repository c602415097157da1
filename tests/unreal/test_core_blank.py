"""Files of nothing, read by others."""

import io
from pathlib import Path

import numpy as np
import OpenEXR
from PIL import Image

from .staged import import_core


def test_blank_files_are_read_by_others(tmp_path: Path) -> None:
    blank = import_core(tmp_path)("core.blank")
    with Image.open(io.BytesIO(blank.blank_png())) as picture:
        assert not np.asarray(picture).any()
    file = tmp_path / "blank.exr"
    file.write_bytes(blank.blank_exr())
    with OpenEXR.File(str(file), separate_channels=True) as opened:
        planes = [np.asarray(channel.pixels) for channel in opened.channels().values()]
    assert [plane.dtype for plane in planes] == [np.float16] * 3
    assert all(plane.shape == (8, 8) and not plane.any() for plane in planes)
