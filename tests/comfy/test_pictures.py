"""Pictures kept in memory: what is taken, who goes first, and what a job takes along."""

import struct

import pytest

from bridge.comfy.pictures import ENTRY_BYTES, PictureStore
from bridge.errors import InputError
from bridge.protocol import Plane, Result

WORKFLOW = {
    "1": {"class_type": "ETN_LoadImageCache", "inputs": {"id": "a"}},
    "2": {"class_type": "ETN_LoadImageCache", "inputs": {"id": ["7", 0]}},
    "3": {"class_type": "SaveImage", "inputs": {"id": "b"}},
    "4": "no node",
}


def head_of_png(width: int = 32, height: int = 24, size: int = 100) -> bytes:
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    return head.ljust(size, b"\0")


def test_a_picture_comes_back_as_it_came() -> None:
    store = PictureStore()
    store.put("a-1_B", head_of_png())
    kept = store.get("a-1_B")
    assert kept is not None
    assert (kept.data, kept.media_type, kept.size) == (head_of_png(), "image/png", (32, 24))
    assert store.get("other") is None


def test_whoever_was_not_asked_for_longest_makes_room() -> None:
    store = PictureStore(max_bytes=3 * (ENTRY_BYTES + 100))
    for name in "abc":
        store.put(name, head_of_png())
    store.get("a")
    store.put("d", head_of_png())
    assert [name for name in "abcd" if store.get(name)] == ["a", "c", "d"]


def test_many_tiny_pictures_are_bounded_too() -> None:
    store = PictureStore(max_bytes=10 * ENTRY_BYTES)
    for number in range(100):
        store.put(str(number), head_of_png(size=30))
    assert sum(store.get(str(number)) is not None for number in range(100)) == 9


def test_a_picture_with_a_known_id_takes_its_place() -> None:
    store = PictureStore(max_bytes=3 * (ENTRY_BYTES + 100))
    for size in (100, 200, 3 * 100 + 2 * ENTRY_BYTES):
        store.put("a", head_of_png(size=size))
    assert len(store.get("a").data) == size  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("../a", head_of_png(), "bad_picture_id"),
        ("", head_of_png(), "bad_picture_id"),
        ("a", b"no picture", "bad_image"),
        ("a", b"", "bad_image"),
        ("a", head_of_png(0, 8), "bad_image"),
        ("a", head_of_png(20_000, 20_000), "image_too_large"),
        ("a", head_of_png(size=5000), "image_too_large"),
    ],
)
def test_what_is_no_picture_is_refused_undecoded(name: str, data: bytes, code: str) -> None:
    store = PictureStore(max_bytes=3 * (ENTRY_BYTES + 100))
    with pytest.raises(InputError) as refused:
        store.put(name, data)
    assert refused.value.code == code
    assert refused.value.hint


def test_a_job_takes_along_what_its_loaders_name() -> None:
    store = PictureStore()
    store.put("a", head_of_png())
    frame = store.frame_for(WORKFLOW)
    assert frame is not None
    (plane,) = frame.planes.values()
    assert (plane.name, plane.shape, plane.codec) == ("reference:a", (24, 32, 3), "png")
    assert plane.is_reference  # so that pictures of other sizes may come along
    assert store.frame_for({"3": WORKFLOW["3"]}) is None


def test_a_picture_that_has_gone_is_told_before_the_job_is_queued() -> None:
    with pytest.raises(InputError) as told:
        PictureStore().frame_for(WORKFLOW)
    assert told.value.code == "picture_not_kept"


def test_nodes_hand_pictures_over_by_the_names_of_planes() -> None:
    store = PictureStore(max_bytes=3 * (ENTRY_BYTES + 100))
    planes = tuple(
        Plane(name, (24, 32, 3), "u8", head_of_png(size=size), "png")
        for name, size in (("kept:x", 100), ("kept:large", 5000))
    )
    assert store.take_in(Result("9", planes, job="j"))
    assert store.get("x")
    assert not store.get("large")
    assert not store.take_in(Result("9", (Plane("image", (1, 1, 3), "u8", b"abc"),), job="j"))
