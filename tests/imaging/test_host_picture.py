import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import host_picture, open_frame, to_plane
from bridge.protocol import Frame, Plane, decode, encode
from bridge.protocol import StreamFrame as Sent


def colored(height: int, width: int, *color: int) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.uint8), (height, width, len(color))).copy()


def frame(**pictures: np.ndarray) -> Frame:
    return Frame({name: to_plane(name, pixels) for name, pixels in pictures.items()})


def test_a_picture_needs_no_depth_and_keeps_its_colours():
    seen = host_picture(frame(color=colored(16, 24, 255, 0, 51)), "color")
    assert (seen.shape, seen.dtype) == ((16, 24, 3), np.float32)
    np.testing.assert_allclose(seen[3, 5], (1.0, 0.0, 0.2), atol=1e-6)


@pytest.mark.parametrize(("width", "height", "shape"), [(48, 0, (32, 48, 3)), (0, 64, (64, 96, 3))])
def test_it_is_scaled_to_the_wanted_size(width, height, shape):
    assert host_picture(frame(color=colored(16, 24, 9, 9, 9)), "color", width, height).shape == shape


def test_sides_become_multiples_of_eight():
    assert host_picture(frame(color=colored(17, 30, 9, 9, 9)), "color").shape == (16, 32, 3)


def test_what_is_transparent_lies_over_grey():
    seen = host_picture(frame(color=colored(8, 8, 255, 255, 255, 0)), "color")
    assert 0.4 < seen[0, 0, 0] < 0.6


def test_a_chosen_picture_has_a_size_of_its_own_and_travels():
    sent = frame(color=colored(8, 8, 1, 2, 3), reference=colored(24, 40, 200, 100, 0))
    message = decode(encode(Sent("live", sent)))
    assert host_picture(message.frame, "reference").shape == (24, 40, 3)


def test_a_reference_does_not_disturb_a_capture():
    depth = Plane("depth", (8, 8), "f32", np.full((8, 8), 2, np.float32).tobytes())
    planes = frame(color=colored(8, 8, 1, 2, 3), reference=colored(24, 40, 9, 9, 9)).planes
    assert open_frame(Frame({**planes, "depth": depth})).size == (8, 8)


def test_a_missing_picture_is_named_with_a_remedy():
    with pytest.raises(InputError) as caught:
        host_picture(frame(color=colored(8, 8, 1, 2, 3)), "reference")
    assert caught.value.code == "no_picture"
    assert "Choose one" in caught.value.hint


def test_what_is_no_picture_is_refused():
    plane = Plane("color", (8, 8), "f32", np.zeros((8, 8), np.float32).tobytes())
    with pytest.raises(InputError) as caught:
        host_picture(Frame({"color": plane}), "color")
    assert caught.value.code == "bad_plane"
