"""The models, as every host's panel shows them."""

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from bridge import protocol
from bridge.errors import BridgeError, Problem
from bridge.host import model_cards
from bridge.host.shelf import Shelf
from bridge.models import FOLDERS

from .fakes import FakeLink

CARD = {
    "folder": "loras",
    "name": "chalk.safetensors",
    "bytes": 134_621_556,
    "family": "SDXL",
    "triggers": ["chalk"],
    "licence": "MIT",
    "has_thumbnail": True,
}
PLAN = {
    "plan": "p1",
    "source": "hf:a/b/c.safetensors",
    "folder": "loras",
    "name": "c.safetensors",
    "bytes": 2_132_696_762,
    "free_bytes": 10**11,
    "licence": "",
}


class Link(FakeLink):
    """Notes what is asked for anew; its session makes the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_again = 0

    def ask_presets_again(self) -> None:
        self.asked_again += 1


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
def shelf(link: Link) -> Shelf:
    return Shelf(link)  # type: ignore[arg-type]


def sent(shelf: Shelf) -> list[protocol.Message]:
    """Every message, named as the session named it."""
    entries = shelf._link.session.sent  # type: ignore[union-attr,attr-defined]
    return [entry[1](f"r{place}") for place, entry in enumerate(entries, 1)]


def answer(shelf: Shelf, data: dict[str, Any], place: int = -1) -> None:
    request: Any = sent(shelf)[place]
    shelf.receive(protocol.Answer(request.request, data))


def ready(shelf: Shelf, *cards: dict[str, Any], kind: str = "loras") -> Shelf:
    shelf.is_looked_at = True
    shelf.kind = kind
    shelf.tick()
    answer(shelf, {"models": list(cards)}, 0)
    return shelf


def test_nothing_is_asked_until_somebody_looks(shelf: Shelf) -> None:
    shelf.tick()
    assert sent(shelf) == []
    shelf.is_looked_at = True
    shelf.tick()
    shelf.tick()
    assert [type(each) for each in sent(shelf)] == [protocol.ListModels, protocol.Query, protocol.Query]


def test_models_are_listed_with_family_and_size(shelf: Shelf) -> None:
    ready(shelf, CARD)
    assert shelf.cards[0].short_family == "SDXL"
    assert model_cards.card_of({**CARD, "family": "Stable Diffusion 1.x"}).short_family == "SD 1"
    lines = dict(shelf.cards[0].lines)
    assert lines == {"Made for": "SDXL", "Size": "135 MB", "Licence": "MIT", "By": "unknown"}


def test_a_new_connection_asks_again(shelf: Shelf, link: Link) -> None:
    ready(shelf, CARD)
    link.session.become("lost")
    shelf.tick()
    link.session.become("ready")
    shelf.tick()
    assert len(sent(shelf)) == 6


def test_another_kind_is_asked_for_and_late_answers_are_dropped(shelf: Shelf) -> None:
    ready(shelf)
    shelf.choose("vae")
    shelf.choose("vae")
    assert sent(shelf)[-1] == protocol.ListModels("r4", "vae")
    shelf.choose("checkpoints")
    answer(shelf, {"models": [{**CARD, "folder": "vae"}]}, 3)
    assert shelf.cards == ()


def test_the_preview_of_the_model_looked_at_is_fetched(shelf: Shelf) -> None:
    ready(shelf, CARD)
    shelf.look_at("chalk.safetensors")
    shelf.look_at("chalk.safetensors")
    assert sent(shelf)[-1] == protocol.ModelInfo("r4", "loras", "chalk.safetensors")
    picture = base64.b64encode(b"\x89PNG").decode()
    answer(shelf, {"model": CARD, "thumbnail": picture})
    assert shelf.thumbnail == b"\x89PNG"
    shelf.look_at("none")
    assert shelf.card is None
    answer(shelf, {"model": CARD, "thumbnail": picture})
    assert shelf.thumbnail == b""


def test_a_pull_is_planned_agreed_to_and_followed(shelf: Shelf, link: Link) -> None:
    ready(shelf)
    shelf.ask_for_plan(" hf:a/b/c.safetensors ")
    assert shelf.is_planning
    answer(shelf, PLAN)
    assert not shelf.is_planning
    assert shelf.plan is not None
    lines = dict(shelf.plan.lines)
    assert lines["Size"] == "2.13 GB (100 GB are free)"
    assert "not said" in lines["Licence"]
    shelf.agree()
    assert sent(shelf)[-1] == protocol.Pull("r5", "p1", "hf:a/b/c.safetensors", 2_132_696_762, "")
    assert shelf.plan is None
    state = protocol.PullState("p1", "pulling", "loras", "c.safetensors", 10**9, 2 * 10**9)
    shelf.receive(state)
    assert [shelf.progress_of(pull) for pull in shelf.pulls] == [(0.5, "c.safetensors: 1 GB of 2 GB")]
    shelf.receive(protocol.PullState("p1", "checking", "loras", "c.safetensors"))
    assert shelf.progress_of(shelf.pulls[0])[1] == "c.safetensors: checking"
    shelf.cancel("p1")
    assert sent(shelf)[-1] == protocol.CancelPull("r6", "p1")
    shelf.receive(protocol.PullState("p1", "done", "loras", "c.safetensors"))
    assert shelf.pulls == ()
    assert link.asked_again == 1
    assert sent(shelf)[-1] == protocol.ListModels("r7", "loras")


def test_what_goes_wrong_is_kept_with_its_hint(shelf: Shelf) -> None:
    ready(shelf)
    with pytest.raises(BridgeError) as failure:
        shelf.ask_for_plan("  ")
    assert failure.value.hint
    shelf.ask_for_plan("https://x/y")
    problem = Problem("not_a_model", "it is a web page", "Copy the address of the file.")
    shelf.receive(protocol.Failure((problem,), "r4"))
    assert shelf.problem == problem
    assert not shelf.is_planning
    shelf.decline()
    assert shelf.problem is None
    shelf.receive(protocol.PullState("p", "failed", "loras", "x", problems=(problem,)))
    assert shelf.problem == problem


def test_what_a_preset_lacks_goes_when_it_is_there(shelf: Shelf) -> None:
    ready(shelf)
    shelf.ask_what_lacks("stylize-sd15", {"steps": 20})
    assert sent(shelf)[-1] == protocol.LackingModels("r4", preset="stylize-sd15", values={"steps": 20})
    known = {"folder": "vae", "name": "a", "source": "sd15-vae", "bytes": 3}
    answer(shelf, {"lacking": [known, {"folder": "x", "name": "b"}]})
    assert [each.source for each in shelf.lacking] == ["sd15-vae", ""]
    shelf.receive(protocol.PullState("p", "done", "vae", "a"))
    assert [each.name for each in shelf.lacking] == ["b"]


def test_found_folders_and_pulls_under_way_are_learnt(shelf: Shelf, link: Link) -> None:
    ready(shelf)
    found = {"found": [{"program": "ComfyUI", "path": "/c", "models": 12}]}
    answer(shelf, found, 1)
    answer(shelf, {"pulls": [{"pull": "p", "state": "waiting", "name": "x"}, 3]}, 2)
    assert shelf.found[0].models == 12
    assert shelf.progress_of(shelf.pulls[0]) == (0.0, "x: waiting")
    shelf.add_folder("/c")
    answer(shelf, {"path": "/c", "models": 12})
    assert shelf.found == ()
    assert link.asked_again == 1


def test_nothing_is_agreed_to_without_a_plan(shelf: Shelf) -> None:
    ready(shelf)
    count = len(sent(shelf))
    shelf.agree()
    assert len(sent(shelf)) == count
    shelf.receive(protocol.Answer("somebody else's", {}))


def test_without_a_connection_it_says_so(shelf: Shelf) -> None:
    shelf._link = SimpleNamespace(session=None, is_connected=False)  # type: ignore[assignment]
    with pytest.raises(BridgeError) as failure:
        shelf.refresh()
    assert failure.value.code == "connection_lost"


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"models": 3},
        {"models": [3]},
        {"models": [{**CARD, "name": 3}]},
        {"models": [{**CARD, "bytes": -1}]},
        {"models": [{**CARD, "bytes": True}]},
        {"models": [{**CARD, "triggers": "chalk"}]},
        {"models": [{**CARD, "title": "x" * 5000}]},
    ],
)
def test_answers_that_make_no_sense_are_told(data: dict[str, Any], shelf: Shelf) -> None:
    shelf.is_looked_at = True
    shelf.tick()
    answer(shelf, data, 0)
    assert shelf.problem is not None
    assert shelf.problem.code == "bad_answer"
    assert shelf.cards == ()


def test_every_kind_has_a_title_that_a_daemon_knows() -> None:
    assert set(model_cards.KINDS) <= set(FOLDERS)
    assert model_cards.size_words(12) == "12 bytes"


def test_a_model_that_was_agreed_to_is_looked_at_when_it_comes(shelf: Shelf) -> None:
    ready(shelf, kind="checkpoints")
    shelf.ask_for_plan("hf:a/b/c.safetensors")
    answer(shelf, PLAN)
    shelf.agree()
    shelf.receive(protocol.PullState("p1", "done", "loras", "c.safetensors", 1, 1))
    assert shelf.kind == "loras"
    answer(shelf, {"models": [CARD, {**CARD, "name": "c.safetensors"}]})
    assert shelf.card is not None
    assert shelf.card.name == "c.safetensors"
    shelf.look_at(CARD["name"])
    shelf.refresh()
    answer(shelf, {"models": [CARD, {**CARD, "name": "c.safetensors"}]})
    assert shelf.card.name == CARD["name"], "only once"
