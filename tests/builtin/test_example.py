"""Examples for the graph editor."""

from pathlib import Path

from bridge.builtin import examples, place_example_picture
from bridge.graph import parse_workflow


def test_every_example_is_a_workflow_with_words_for_people() -> None:
    for example in examples():
        assert parse_workflow(example.workflow).nodes
        assert example.title
        assert example.description.endswith(".")


def test_only_a_folder_that_is_new_gets_the_picture(tmp_path: Path) -> None:
    place_example_picture(tmp_path)
    assert not list(tmp_path.iterdir())
    place_example_picture(tmp_path / "data" / "input")
    picture = tmp_path / "data" / "input" / "example.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    picture.unlink()
    place_example_picture(tmp_path / "data" / "input")
    assert not picture.exists()
