"""The models of the daemon, as a section of the panel: what is installed, what lacks, and getting more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from .._bridge.errors import Problem
from .._bridge.host.model_cards import KINDS, LackingModel, size_words
from .._bridge.host.shelf import MODEL_ACTIONS, Shelf
from .._bridge.host.words import sentence
from .choices import Choices
from .items import Button, Choice, Entry, Item, Progress, Row, Text

MOST_LISTED, MOST_LACKING, MOST_TRIGGERS = 500, 12, 12

ADDRESS = (
    "Of a model on Hugging Face or Civitai, or a name of the curated list, as sd15: what it holds, its size "
    "and its licence are shown before anything is got"
)


class ModelsSection:
    """The section; what it holds is the shelf's.

    Args:
        shelf: What is known of the daemon's models.
        choices: Names the preset that is asked about.
    """

    def __init__(self, shelf: Shelf, choices: Choices) -> None:
        self._shelf, self._choices = shelf, choices
        self._address = ""

    def items(self) -> Iterator[Item]:
        """Yield what there is to see."""
        shelf = self._shelf
        shelf.is_looked_at = True
        if shelf.problem is not None:
            yield from _fault(shelf.problem)
        yield Entry("models:address", "Address", self._address, ADDRESS)
        yield _button("plan")
        if shelf.is_planning:
            yield Text("Asking its source…", "quiet")
        yield from self._plan()
        for pull in shelf.pulls:
            yield Progress(*shelf.progress_of(pull))
            yield _button("cancel", f"stop_pull:{pull.pull}")
        yield from self._lacking()
        kinds = tuple(KINDS.items())
        yield Choice("models:kind", "Kind", shelf.kind, kinds, "Which models are listed")
        yield from self._cards()

    def set(self, name: str, value: str) -> None:
        """Take note of what was typed or chosen."""
        if name == "address":
            self._address = value
        elif name == "kind":
            self._shelf.choose(value)
        elif name == "card" and value:
            self._shelf.look_at(value)

    def actions(self) -> dict[str, Callable[[], object]]:
        """Return what its buttons do."""
        shelf = self._shelf
        pulls = {f"stop_pull:{pull.pull}": pull.pull for pull in shelf.pulls}
        sources = {f"plan:{place}": model for place, model in enumerate(shelf.lacking or ())}
        return {
            "models:plan": lambda: shelf.ask_for_plan(self._address),
            "models:agree": self._agree,
            "models:decline": shelf.decline,
            "models:lacking": self._find_lacking,
            "models:refresh": shelf.refresh,
            **{name: partial(shelf.cancel, pull) for name, pull in pulls.items()},
            **{name: partial(self._ask_for, model) for name, model in sources.items()},
        }

    def _agree(self) -> None:
        self._shelf.agree()
        self._address = ""

    def _ask_for(self, model: LackingModel) -> None:
        self._shelf.ask_for_plan(model.source, model.folder, model.name)

    def _find_lacking(self) -> None:
        preset = self._choices.preset
        models = {control.name for control in preset.controls if control.type == "model"}
        values = {name: value for name, value in self._choices.recipe.values.items() if name not in models}
        self._shelf.ask_what_lacks(preset.name, values)

    def _plan(self) -> Iterator[Item]:
        plan = self._shelf.plan
        if plan is None:
            return
        if plan.title:
            yield Text(plan.title)
        for label, text in plan.lines:
            yield Text(f"{label}: {text}", "quiet")
        yield Row((_button("agree"), _button("decline")))

    def _lacking(self) -> Iterator[Item]:
        yield _button("lacking")
        if self._shelf.lacking == ():
            yield Text("It lacks nothing", "good")
        for place, model in enumerate((self._shelf.lacking or ())[:MOST_LACKING]):
            size = f", {size_words(model.bytes)}" if model.bytes else ""
            yield Text(f"{model.title or f'{model.folder}/{model.name}'}{size}", "alert")
            if model.source:
                yield _button("plan", f"plan:{place}", "Get…")
            else:
                yield Text("no source is known", "quiet")

    def _cards(self) -> Iterator[Item]:
        shelf, card = self._shelf, self._shelf.card
        names = [entry.name for entry in shelf.cards[:MOST_LISTED]]
        titles = ((entry.name, f"{entry.name}  {entry.short_family}".strip()) for entry in shelf.cards)
        chosen = card.name if card is not None and card.name in names else ""
        listed = (("", f"{len(shelf.cards)} installed"), *tuple(titles)[:MOST_LISTED])
        yield Choice("models:card", "Installed", chosen, listed, "The model that is looked at")
        yield _button("refresh")
        if card is None:
            return
        for label, text in card.lines:
            yield Text(f"{label}: {text}", "quiet")
        if card.triggers:
            yield Text(f"Words: {', '.join(card.triggers[:MOST_TRIGGERS])}", "quiet")


def _button(name: str, action: str = "", label: str = "") -> Button:
    title, about = MODEL_ACTIONS[name]
    return Button(label or title, action or f"models:{name}", about)


def _fault(problem: Problem) -> Iterator[Item]:
    yield Text(sentence(problem), "alert")
    yield _button("decline", label="Dismiss")
