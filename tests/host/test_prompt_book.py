import json
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.host.prompt_book import MOST_NEGATIVES, MOST_PROMPTS, PromptBook


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_newest_prompt_comes_first_and_none_twice() -> None:
    book = PromptBook()
    for prompt in ("neon", "clay", " neon ", "", "neon"):
        book.remember(prompt)
    assert book.prompts == ["neon", "clay"]
    for number in range(60):
        book.remember(f"prompt {number}")
    assert book.prompts == [f"prompt {number}" for number in range(59, 59 - MOST_PROMPTS, -1)]


def test_another_host_sees_it_and_neither_loses_the_others() -> None:
    one, other = PromptBook(), PromptBook()
    one.remember("from Blender")
    assert other.prompts == ["from Blender"]
    other.remember("from Unreal, 猫")
    one.remember("again Blender")
    assert PromptBook().prompts == ["again Blender", "from Unreal, 猫", "from Blender"]


def test_the_history_is_emptied_and_negatives_stay() -> None:
    book = PromptBook()
    book.remember("neon")
    book.keep_negative("Mine", "blurry")
    book.forget_prompts()
    assert (book.prompts, book.negatives) == ([], {"Mine": "blurry"})
    book.keep_negative("Mine", "grey")
    assert PromptBook().negatives == {"Mine": "grey"}
    book.drop_negative("Mine")
    assert PromptBook().negatives == {}


@pytest.mark.parametrize(("title", "text"), [("", "blurry"), ("Mine", " ")])
def test_a_negative_preset_needs_a_name_and_a_text(title: str, text: str) -> None:
    with pytest.raises(BridgeError) as raised:
        PromptBook().keep_negative(title, text)
    assert raised.value.hint


def test_there_are_not_more_negatives_than_a_menu_shows() -> None:
    book = PromptBook()
    for number in range(MOST_NEGATIVES):
        book.keep_negative(f"n{number}", "x")
    with pytest.raises(BridgeError, match="already"):
        book.keep_negative("one more", "x")
    book.keep_negative("n0", "y")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"prompts": [1], "negatives": {}}', '{"prompts": "x", "negatives": []}', "\udcff"],
)
def test_a_damaged_file_offers_nothing_and_is_put_aside(home: Path, text: str) -> None:
    home.mkdir()
    data = text.encode("utf-8", "surrogateescape")
    (home / "prompts.json").write_bytes(data)
    book = PromptBook()
    assert book.prompts == []
    book.remember("neon")
    assert json.loads((home / "prompts.json").read_text())["prompts"] == ["neon"]
    assert (home / "prompts.damaged.json").read_bytes() == data


def test_a_place_that_cannot_be_written_is_told(home: Path) -> None:
    home.write_text("a file where the folder should be")
    book = PromptBook()
    assert book.prompts == []
    with pytest.raises(BridgeError, match="cannot be written") as raised:
        book.remember("neon")
    assert raised.value.hint
