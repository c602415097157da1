import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from training.errors import TrainingError, exit_status
from training.files import create_array, save_state, write_whole


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    path = tmp_path / "state.pt"
    save_state({"step": torch.tensor(3)}, path)
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    path.with_suffix(".part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        save_state({"step": torch.tensor(4)}, path)
    assert caught.value.errno == errno.ENOSPC
    assert int(torch.load(path, weights_only=True)["step"]) == 3


def test_a_file_is_replaced_as_a_whole(tmp_path):
    write_whole(tmp_path / "note.json", b"one")
    write_whole(tmp_path / "note.json", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
    assert (tmp_path / "note.json").read_bytes() == b"two"


def test_an_array_has_its_disk_space_from_the_start(tmp_path):
    path = tmp_path / "plane.npy"
    create_array(path, np.uint8, (64, 128, 128))
    assert np.load(path, mmap_mode="r").shape == (64, 128, 128)
    if hasattr(os, "posix_fallocate"):
        assert path.stat().st_blocks * 512 >= 64 * 128 * 128


def fail(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TrainingError("no Blender", "Install it."), ("no Blender", "Install it.")),
        (OSError(errno.ENOSPC, "full"), ("disk is full", "Free some space")),
        (RuntimeError("write failed: No space left on device"), ("disk is full", "Free some space")),
        (KeyboardInterrupt(), ("stopped", "goes on")),
    ],
)
def test_what_a_person_can_act_on_is_said_without_a_traceback(capsys, error, words):
    assert exit_status(lambda: fail(error)) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in words)
    assert "Traceback" not in said


def test_a_fault_of_the_program_is_not_hidden():
    with pytest.raises(ValueError, match="a bug"):
        exit_status(lambda: fail(ValueError("a bug")))
    assert exit_status(lambda: None) == 0
