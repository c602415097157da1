"""Pictures for clients that want files."""

import numpy as np
import pytest

from bridge.engine.encoding import with_encoded_pictures
from bridge.imaging import decode_plane, packed, to_plane
from bridge.protocol import Preview, Progress, Result

PIXELS = np.arange(24 * 16 * 3, dtype=np.int64).astype(np.uint8).reshape(24, 16, 3)


def test_results_become_png_without_loss():
    [plane] = with_encoded_pictures(Result("1", (to_plane("image", PIXELS),))).planes
    assert plane.codec == "png"
    assert np.array_equal(decode_plane(plane), PIXELS)


def test_alpha_survives_in_png_and_is_left_away_in_jpeg():
    seen = to_plane("image", np.dstack([PIXELS, PIXELS[..., 0]]))
    assert np.array_equal(decode_plane(packed(seen, "png"))[..., 3], PIXELS[..., 0])
    assert packed(seen, "jpeg").shape == (24, 16, 3)


def test_previews_become_jpeg():
    [plane] = with_encoded_pictures(Preview("1", (to_plane("preview", PIXELS),))).planes
    assert plane.codec == "jpeg"
    assert plane.data[:3] == b"\xff\xd8\xff"
    assert decode_plane(plane).shape == PIXELS.shape


@pytest.mark.parametrize("message", [Progress("1", 1, 2)])
def test_everything_else_stays_as_it_is(message):
    assert with_encoded_pictures(message) is message


def test_what_is_a_file_already_stays_one():
    png = packed(to_plane("image", PIXELS), "png")
    assert packed(png, "jpeg") is png
