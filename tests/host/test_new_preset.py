import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest

from bridge import protocol
from bridge.errors import BridgeError, Problem
from bridge.host.new_preset import NewPreset, read_workflow
from bridge.host.png import SIGNATURE, png_of

from .fakes import FakeLink

WORKFLOW = {"3": {"class_type": "KSampler", "inputs": {"seed": 3}}}
OFFER = {
    "inputs": {"3.seed": "Sampler: seed", "3.cfg": "Sampler: cfg", "6.text": "Prompt: text"},
    "suggested": [{"place": "6.text", "label": "Prompt"}, {"place": "3.seed", "label": "Seed"}],
    "pictures": {"9": "Load Image"},
}


class Link(FakeLink):
    def __init__(self) -> None:
        super().__init__()
        self.asked_again = 0

    def ask_presets_again(self) -> None:
        self.asked_again += 1


@pytest.fixture
def made() -> NewPreset:
    return NewPreset(Link())  # type: ignore[arg-type]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "my_painter.json"
    file.write_text(json.dumps(WORKFLOW))
    return file


def sent(made: NewPreset) -> list[Any]:
    entries = made._link.session.sent  # type: ignore[union-attr,attr-defined]
    return [entry[1](f"r{place}") for place, entry in enumerate(entries, 1)]


def answer(made: NewPreset, data: dict[str, Any]) -> None:
    made.receive(protocol.Answer(sent(made)[-1].request, data))


def test_what_most_would_show_is_chosen_and_the_viewport_takes_a_single_pictures_place(
    made: NewPreset, file: Path
) -> None:
    made.open(file)
    assert sent(made)[-1] == protocol.InspectWorkflow("r1", WORKFLOW)
    assert made.is_waiting
    assert not made.is_open
    answer(made, OFFER)
    assert made.is_open
    assert made.title == "My painter"
    assert [(choice.place, choice.is_shown) for choice in made.choices] == [
        ("6.text", True),
        ("3.seed", True),
        ("3.cfg", False),
    ]
    assert [(feed.node, feed.plane) for feed in made.feeds] == [("9", "color")]


def test_it_is_saved_as_the_artist_wants_it_and_offered_at_once(made: NewPreset, file: Path) -> None:
    made.open(file)
    answer(made, OFFER)
    made.title = "Oil"
    made.choices[1].is_shown, made.choices[2].is_shown = False, True
    made.feeds[0].plane = "depth"
    made.save()
    assert sent(made)[-1] == protocol.SavePreset(
        "r2", "Oil", WORKFLOW, {"6.text": "Prompt", "3.cfg": "Sampler: cfg"}, {"9": "depth"}
    )
    answer(made, {"name": "oil"})
    assert made.saved == "oil"
    assert not made.is_open
    assert made._link.asked_again == 1  # type: ignore[attr-defined]


def test_what_was_chosen_stays_where_saving_fails(made: NewPreset, file: Path) -> None:
    made.open(file)
    answer(made, OFFER)
    made.save()
    problem = Problem("preset_exists", "there is one", "Choose another title.")
    made.receive(protocol.Failure((problem,), sent(made)[-1].request))
    assert made.problem == problem
    assert made.is_open
    made.save(replaces=True)
    assert sent(made)[-1].replaces


def test_an_answer_that_makes_no_sense_is_told(made: NewPreset, file: Path) -> None:
    made.open(file)
    answer(made, {"inputs": 3})
    assert made.problem
    assert made.problem.code == "bad_answer"
    assert not made.is_open


def test_an_answer_to_a_workflow_that_was_given_up_is_nobodys(made: NewPreset, file: Path) -> None:
    made.open(file)
    made.discard()
    answer(made, OFFER)
    assert not made.is_open


def text_chunk(keyword: bytes, text: bytes) -> bytes:
    body = b"tEXt" + keyword + b"\0" + text
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def test_a_picture_that_comfyui_saved_holds_its_workflow(tmp_path: Path) -> None:
    png = png_of(1, 1, b"\0\1\2\3")
    split = len(SIGNATURE) + 25
    picture = tmp_path / "out.png"
    picture.write_bytes(png[:split] + text_chunk(b"prompt", json.dumps(WORKFLOW).encode()) + png[split:])
    assert read_workflow(picture) == WORKFLOW
    picture.write_bytes(png_of(1, 1, b"\0\1\2\3", {"prompt": json.dumps(WORKFLOW)}))
    assert read_workflow(picture) == WORKFLOW


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.json", b"{", "bad_file"),
        ("a.json", b"[1]", "no_workflow"),
        ("a.json", b"\xff\xfe", "bad_file"),
        ("a.json", b"[" * 100_000, "bad_file"),
        ("a.png", b"no picture", "no_workflow"),
        ("gone.json", None, "file_not_found"),
    ],
)
def test_files_without_a_workflow_are_refused(
    tmp_path: Path, name: str, content: bytes | None, code: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BridgeError) as caught:
        read_workflow(tmp_path / name)
    assert caught.value.code == code
    assert caught.value.hint


def test_nothing_is_sent_without_a_connection_or_a_workflow(made: NewPreset, file: Path) -> None:
    with pytest.raises(BridgeError, match="no workflow is open"):
        made.save()
    made._link.session = None
    with pytest.raises(BridgeError, match="no connection"):
        made.open(file)
