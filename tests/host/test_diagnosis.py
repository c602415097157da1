"""Diagnose, link by link."""

from types import SimpleNamespace

import pytest

from bridge import protocol
from bridge.errors import BridgeError, Problem
from bridge.host import diagnosis as module
from bridge.host.preset import Control, Preset
from bridge.host.recipe import Recipe
from bridge.host.tasks import Tasks

from .fakes import FakeLink, picture

PRESET = Preset(
    "p", "P", "", (Control("steps", "Steps", "integer", 8), Control("width", "W", "integer", 512))
)


class Trial:
    """The host's side; ``faults`` says what raises."""

    def __init__(self) -> None:
        self.faults: dict[str, Exception] = {}
        self.done: list[str] = []

    def connect(self) -> None:
        self._do("connect")

    def recipe(self):
        self._do("recipe")
        return Recipe("p", {"prompt": "clay"}), PRESET

    def capture(self, side):
        self._do("capture")
        return protocol.Frame({"color": picture()}), "nothing but sky"

    def write_back(self, picture):
        self._do("write_back")

    def problem_from(self, error):
        return getattr(error, "problem", None) or Problem("internal_error", str(error))

    def _do(self, name):
        if name in self.faults:
            raise self.faults[name]
        self.done.append(name)


@pytest.fixture
def chain():
    link, trial = FakeLink(), Trial()
    tasks = Tasks()
    return SimpleNamespace(link=link, trial=trial, tasks=tasks, made=module.Diagnosis(link, tasks, trial))


def walk(chain, models=1, answers=("result", "finished")):
    """Tick until it is over, as a daemon would answer."""
    for _ in range(50):
        chain.made.tick()
        if chain.made.is_over:
            return chain.made
        name = chain.link.session.sent[-1][0] if chain.link.session.sent else ""
        request = f"r{len(chain.link.session.sent)}"
        if name == "ask":
            data = {"models": {"checkpoints": ["m"] * models, "controlnet": ["a", "b"]}}
            chain.made.receive(protocol.Answer(request, data))
        elif name == "submit" and len(chain.tasks):
            chain.tasks.receive(protocol.Accepted(request, job="j"), chain.link.session)
            if "result" in answers:
                chain.tasks.receive(protocol.Result("9", (picture(),), job="j"), chain.link.session)
            if "failed" in answers:
                failed = protocol.Finished("failed", job="j", problems=(Problem("out_of_memory", "no room"),))
                chain.tasks.receive(failed, chain.link.session)
            else:
                chain.tasks.receive(protocol.Finished("done", job="j"), chain.link.session)
    raise AssertionError([step.line for step in chain.made.steps])


def test_every_link_is_good(chain):
    walk(chain)
    assert [step.state for step in chain.made.steps] == ["good"] * 6
    lines = [step.line for step in chain.made.steps]
    assert lines[2:4] == ["Models: 1 checkpoint, 2 ControlNets", "Capture: 128 × 128 pixels, nothing but sky"]
    recipe = next(entry[2] for entry in chain.link.session.sent if entry[0] == "submit")
    assert recipe.values == {"prompt": "clay", "width": 128, "steps": 1}
    assert chain.trial.done == ["connect", "recipe", "capture", "write_back"]


@pytest.mark.parametrize(
    ("name", "link", "good"),
    [
        ("recipe", "Capture", 3),
        ("capture", "Capture", 3),
        ("write_back", "Write Back", 5),
        ("connect", "Daemon", 0),
    ],
)
def test_the_link_that_breaks_is_named_and_the_walk_ends(chain, name, link, good):
    chain.trial.faults[name] = BridgeError("no", code="a_code", hint="do this")
    made = walk(chain)
    assert (made.broken.name, made.broken.problem.hint) == (link, "do this")
    assert [step.state for step in made.steps].count("good") == good


def test_what_nobody_expected_is_told_too(chain):
    chain.trial.faults["capture"] = RuntimeError("the driver")
    assert walk(chain).broken.line == "Capture: The driver."


def test_a_wrong_token_is_not_the_daemons_fault(chain):
    chain.link.session.become("refused")
    chain.link.is_hopeless, chain.link.trouble = True, Problem("not_allowed", "the token is wrong")
    made = walk(chain)
    assert (made.steps[0].state, made.broken.name) == ("good", "Token")


def test_no_checkpoints_are_told_with_the_remedy(chain):
    made = walk(chain, models=0)
    assert made.broken.problem.code == "no_models"
    assert "--models" in made.broken.problem.hint


@pytest.mark.parametrize(("answers", "code"), [(("failed",), "out_of_memory"), (("finished",), "no_picture")])
def test_a_picture_that_fails_is_told(chain, answers, code):
    assert walk(chain, answers=answers).broken.problem.code == code


def test_waiting_ends(chain, monkeypatch):
    monkeypatch.setitem(module.PATIENCE_S, "Models", 0.0)
    for _ in range(5):
        chain.made.tick()
    assert chain.made.broken.problem.code == "timeout"
    assert chain.made.broken.name == "Models"
