from pathlib import Path

import pytest

from bridge.errors import InputError
from bridge.prompts import Wildcards

from .conftest import Write


def test_names_may_lie_in_folders_and_case_does_not_matter(write: Write, wildcards: Wildcards) -> None:
    write("creatures/Animal", "cat\n")
    write("creatures/bird", "owl\n")
    write("top", "x\n")
    assert list(wildcards.names) == ["creatures/Animal", "creatures/bird", "top"]
    assert wildcards.values("Creatures/animal") == ("cat",)
    assert wildcards.values("creatures/*") == ("cat", "owl")
    assert wildcards.values("*") == ("x",)


def test_the_first_folder_that_has_a_name_counts(tmp_path: Path) -> None:
    for folder, text in (("a", "mine"), ("b", "theirs")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(text)
    assert Wildcards([tmp_path / "none", tmp_path / "a", tmp_path / "b"]).values("x") == ("mine",)


@pytest.mark.parametrize("name", ["../secret", "link", "**/secret", "/etc/passwd", "..\\secret"])
def test_nothing_outside_the_folder_is_read(
    name: str, tmp_path: Path, write: Write, wildcards: Wildcards
) -> None:
    (tmp_path / "secret.txt").write_text("SECRET")
    write("animal", "cat\n")
    (tmp_path / "wildcards" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InputError) as raised:
        wildcards.values(name)
    assert raised.value.code == "unknown_wildcard"


def test_an_unknown_wildcard_has_a_nearest_name_or_a_place_to_go(
    write: Write, wildcards: Wildcards, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as raised:
        wildcards.values("animal")
    assert str(tmp_path / "wildcards") in raised.value.hint
    write("animal", "cat\n")
    with pytest.raises(InputError) as raised:
        Wildcards([tmp_path / "wildcards"]).values("animl")
    assert raised.value.hint == "Did you mean __animal__?"


def test_a_file_without_values_is_refused(write: Write, wildcards: Wildcards) -> None:
    write("empty", "# nothing\n\n")
    with pytest.raises(InputError) as raised:
        wildcards.values("empty")
    assert raised.value.code == "empty_wildcard"
