"""PNG files with texts, read back by another library."""

import io

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def png(addon_module):
    return addon_module("png")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (64, 48)])
def test_pixels_and_texts_are_read_by_others(png, size, channels):
    pixels = np.random.default_rng(1).integers(0, 256, (*size, channels), np.uint8)
    texts = {"framebridge": '{"prompt": "ein Bär 🐻"}', "frame": "7"}
    opened = Image.open(io.BytesIO(png.encode_png(pixels, texts)))
    assert (np.asarray(opened) == pixels).all()
    assert opened.text == texts
