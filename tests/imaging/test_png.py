import io

import numpy as np
from PIL import Image as PillowImage

from bridge.imaging import encode_png, read_texts


def test_pixels_and_texts_survive(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    data = encode_png(image[::-1], {"prompt": "{}"})
    np.testing.assert_array_equal(np.asarray(PillowImage.open(io.BytesIO(data))), image[::-1])
    (tmp_path / "a.png").write_bytes(data)
    assert read_texts(tmp_path / "a.png") == {"prompt": "{}"}


def test_equal_pictures_are_equal_files():
    image = np.zeros((16, 16, 3), np.uint8)
    assert encode_png(image) == encode_png(image.copy())
