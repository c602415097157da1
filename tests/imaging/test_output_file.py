"""Where files go, what they carry, and what is said of them."""

import json
from pathlib import Path

import pytest

from bridge.errors import ExecutionError, InputError
from bridge.imaging import output_entry, output_stem, workflow_texts, writing_to


def test_a_prefix_stays_in_its_folder(tmp_path: Path) -> None:
    assert output_stem(tmp_path, "a/%width%x%height%", 64, 32) == tmp_path.resolve() / "a" / "64x32"
    assert output_stem(tmp_path, "") == tmp_path.resolve() / "ComfyUI"
    with pytest.raises(InputError):
        output_stem(tmp_path, "../a")


def test_a_workflow_and_what_the_client_wants_are_kept() -> None:
    texts = workflow_texts({"3": {}}, {"workflow": [1]})
    assert {key: json.loads(text) for key, text in texts.items()} == {"prompt": {"3": {}}, "workflow": [1]}
    assert workflow_texts(None, None) == {}


@pytest.mark.parametrize(("name", "subfolder"), [("x.png", ""), ("a/b/x.png", "a/b")])
def test_a_file_is_named_apart_from_its_folder(tmp_path: Path, name: str, subfolder: str) -> None:
    entry = output_entry(tmp_path.resolve() / name, tmp_path, "temp")
    assert entry == {"filename": "x.png", "subfolder": subfolder, "type": "temp"}


def test_a_full_disk_is_said_with_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match=r"written to .*: No space left") as caught, writing_to(tmp_path):
        raise OSError(28, "No space left on device")
    assert caught.value.code == "output_failed"
