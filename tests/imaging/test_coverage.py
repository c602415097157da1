from dataclasses import replace

import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import coverage, names_in, one_after_another, pack_frame, shaped, to_plane, unpack_frame
from bridge.protocol import Frame, Named, Names, SceneObject, Selected

NAMES = Names(
    (SceneObject("A", materials=(1,)), SceneObject("B", materials=(2,)), SceneObject("C", materials=(1,))),
    (),
    (Named("Red"), Named("Blue")),
)
RANKS = np.array([[[1, 0], [1, 2], [2, 1]]], np.uint16)
SHARES = np.array([[[255, 0], [170, 85], [128, 127]]], np.uint8)


@pytest.fixture
def frame():
    planes = {"color": np.zeros((1, 3, 3), np.uint8), "object_ranks": RANKS, "object_shares": SHARES}
    return Frame({name: to_plane(name, array) for name, array in planes.items()}, names=NAMES)


def objects(*numbers):
    return Selected("object", frozenset(numbers))


def test_shares_of_all_ranks_add_up(frame):
    np.testing.assert_allclose(coverage(frame, objects(1)), [[1, 170 / 255, 127 / 255]], rtol=1e-6)
    np.testing.assert_allclose(coverage(frame, objects(2)), [[0, 85 / 255, 128 / 255]], rtol=1e-6)
    np.testing.assert_allclose(coverage(frame, objects(1, 2)), [[1, 1, 1]], rtol=1e-6)


def test_nothing_selected_is_exactly_nothing(frame):
    assert not coverage(frame, objects()).any()
    assert not coverage(frame, objects(3)).any()


def test_without_shares_the_first_rank_has_the_pixel(frame):
    bare = replace(frame, planes={"object_ranks": frame.planes["object_ranks"]})
    assert coverage(bare, objects(1)).tolist() == [[1, 1, 0]]


def one_sample(ids):
    return Frame({"object_id": to_plane("object_id", np.array(ids, np.uint8))}, names=NAMES)


def test_one_sample_a_pixel_has_a_border_of_two_pixels():
    ids = np.zeros((5, 6), np.uint8)
    ids[:, 3:] = 2
    mask = coverage(one_sample(ids), objects(2))
    assert mask[2].tolist() == [0, 0, 0.25, 0.75, 1, 1]


def test_a_material_that_pixels_do_not_tell_is_where_its_objects_are():
    frame = one_sample([[1] * 3, [2] * 3, [3] * 3, [3] * 3])
    mask = coverage(frame, Selected("material", frozenset({1})))
    assert mask[:, 1].tolist() == [0.75, 0.5, 0.75, 1]


def test_neighbours_share_a_border_without_a_seam():
    ids = np.random.default_rng(0).integers(0, 4, (9, 11))
    total = sum(coverage(one_sample(ids), objects(number)) for number in (1, 2, 3))
    np.testing.assert_allclose(total, coverage(one_sample(ids), objects(1, 2, 3)), atol=1e-6)


@pytest.mark.parametrize(("kind", "code"), [("material", "missing_plane"), ("object", "size_mismatch")])
def test_planes_that_cannot_be_used_are_named(frame, kind, code):
    odd = {**frame.planes, "object_shares": to_plane("object_shares", SHARES[..., :1])}
    with pytest.raises(InputError) as caught:
        coverage(replace(frame, planes=odd), Selected(kind, frozenset({1})))
    assert caught.value.code == code
    assert caught.value.hint


def test_a_frame_without_names_says_where_they_come_from():
    with pytest.raises(InputError, match="which objects") as caught:
        names_in(Frame({"color": to_plane("color", np.zeros((1, 1, 3), np.uint8))}))
    assert caught.value.code == "no_names"


def test_the_first_mask_comes_first():
    masks = [np.array([[1, 0.75]], np.float32), np.array([[1, 0.5]], np.float32), np.ones((1, 2), np.float32)]
    assert [mask.tolist() for mask in one_after_another(masks)] == [[[1, 0.75]], [[0, 0.25]], [[0, 0]]]


def test_a_mask_grows_and_fades():
    mask = np.zeros((9, 9), np.float32)
    mask[4, 4] = 1
    assert shaped(mask, 1, 0).sum() == 5
    assert shaped(mask, 2, 0)[4].tolist() == [0, 0, 1, 1, 1, 1, 1, 0, 0]
    mask[:, 4:] = 1
    np.testing.assert_allclose(shaped(mask, 0, 2)[4, 2:6], [0, 1 / 3, 2 / 3, 1], atol=1e-6)
    assert shaped(shaped(mask, 3, 0), -3, 0)[4].tolist() == mask[4].tolist()


def test_a_file_keeps_the_names(frame):
    again = unpack_frame(pack_frame(frame), "x")
    assert again.names == NAMES
    assert again.digest == frame.digest
    np.testing.assert_array_equal(coverage(again, objects(1)), coverage(frame, objects(1)))
