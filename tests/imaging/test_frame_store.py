import os

import numpy as np
import pytest

from bridge.errors import InputError
from bridge.imaging import FrameStore, pack_frame


@pytest.fixture
def some_frames(make_frame):
    noise = np.random.default_rng(0)
    return [make_frame(color=noise.integers(0, 256, (32, 48, 3), np.uint8)) for _ in range(4)]


def age(folder, digest, seconds):
    os.utime(folder / f"{digest}.npz", (1_000_000 - seconds, 1_000_000 - seconds))


def kept(folder):
    return {path.stem for path in folder.iterdir()}


def test_a_kept_frame_is_found_by_its_digest(tmp_path, some_frames):
    digest = FrameStore(tmp_path / "new").keep(some_frames[0])
    assert digest == some_frames[0].digest
    assert FrameStore(tmp_path / "new").load(digest).digest == digest


def test_the_same_frame_is_kept_once(tmp_path, some_frames):
    store = FrameStore(tmp_path)
    store.keep(some_frames[0])
    (tmp_path / f"{some_frames[0].digest}.npz").write_bytes(b"not written again")
    store.keep(some_frames[0])
    assert (tmp_path / f"{some_frames[0].digest}.npz").read_bytes() == b"not written again"


def test_the_oldest_go_first_and_use_makes_young(tmp_path, some_frames):
    store = FrameStore(tmp_path, limit_bytes=int(3.5 * len(pack_frame(some_frames[0]))))
    digests = [store.keep(frame) for frame in some_frames[:3]]
    for seconds, digest in zip((30, 20, 10), digests, strict=True):
        age(tmp_path, digest, seconds)
    store.load(digests[0])
    newest = store.keep(some_frames[3])
    assert kept(tmp_path) == {digests[0], digests[2], newest}


def test_keeping_again_makes_young(tmp_path, some_frames):
    store = FrameStore(tmp_path, limit_bytes=int(2.5 * len(pack_frame(some_frames[0]))))
    digests = [store.keep(frame) for frame in some_frames[:2]]
    for seconds, digest in zip((30, 20), digests, strict=True):
        age(tmp_path, digest, seconds)
    store.keep(some_frames[0])
    newest = store.keep(some_frames[2])
    assert kept(tmp_path) == {digests[0], newest}


def test_the_youngest_stays_however_large(tmp_path, some_frames):
    store = FrameStore(tmp_path, limit_bytes=1)
    store.keep(some_frames[0])
    store.keep(some_frames[1])
    assert kept(tmp_path) == {some_frames[1].digest}


def test_frames_of_an_earlier_process_count(tmp_path, some_frames):
    first = FrameStore(tmp_path).keep(some_frames[0])
    age(tmp_path, first, 10)
    FrameStore(tmp_path, limit_bytes=len(pack_frame(some_frames[0]))).keep(some_frames[1])
    assert kept(tmp_path) == {some_frames[1].digest}


def test_a_frame_that_is_gone_says_what_to_do(tmp_path):
    with pytest.raises(InputError) as caught:
        FrameStore(tmp_path).load("0" * 64)
    assert caught.value.code == "frame_missing"
    assert "Capture the view again" in caught.value.hint


@pytest.mark.parametrize("digest", ["", "../secret", "0" * 63, "G" * 64, "0" * 64 + "\n"])
def test_what_is_no_digest_never_reaches_the_disk(tmp_path, digest):
    with pytest.raises(InputError) as caught:
        FrameStore(tmp_path).load(digest)
    assert caught.value.code == "frame_missing"


def test_a_damaged_file_is_not_taken_for_the_frame(tmp_path, some_frames):
    store = FrameStore(tmp_path)
    digest = store.keep(some_frames[0])
    (tmp_path / f"{digest}.npz").write_bytes(pack_frame(some_frames[1]))
    with pytest.raises(InputError) as caught:
        store.load(digest)
    assert caught.value.code == "bad_frame"


def test_nothing_half_written_is_left(tmp_path, some_frames):
    FrameStore(tmp_path).keep(some_frames[0])
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]
