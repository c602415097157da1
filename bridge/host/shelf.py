"""The models, as a panel shows them: what is installed, what is lacking, and getting more.

Rules:
1. Nothing is asked until somebody looks at the panel; what is known belongs to a connection.
2. A model is pulled in two steps: ``plan`` asks what would come, ``agree`` says yes to what the plan says.
3. Pulls go on in the daemon, whatever happens here; a panel that comes back sees how they stand.
4. A model that was agreed to here is looked at once it has come; nobody has to search for it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from .. import protocol
from ..errors import BridgeError, Problem
from .link import Link
from .model_cards import (
    FoundFolder,
    LackingModel,
    ModelCard,
    PullPlan,
    card_of,
    read_cards,
    read_found,
    read_lacking,
    read_plan,
    size_words,
)
from .tasks import ENDS

MODEL_ACTIONS = {
    "refresh": ("Look Again", "Look into the folders of models again"),
    "plan": ("Look Up", "See what this address holds, its size and its licence, before anything is got"),
    "agree": (
        "Get This Model",
        "Get this model, under its licence; it is checked, and nothing is overwritten",
    ),
    "decline": ("Not Now", "Do not get it, and take this message away"),
    "cancel": ("Stop", "Stop getting this model; nothing of it is kept"),
    "lacking": ("What Is Lacking?", "See which models this preset needs that are not installed"),
    "add_folder": ("Use These", "Use the models of this folder from now on; they stay where they are"),
}
"""Label and help of what buttons do, alike in every host."""


class Shelf:
    """What is known about the daemon's models.

    Args:
        link: The connection.

    Attributes:
        is_looked_at: Whether a panel shows it, so that it is worth asking.
        kind: Which kind of models is looked at.
        cards: The installed ones of that kind.
        card: The one that is looked at, with all that is known.
        thumbnail: Its preview: PNG, JPEG or WebP; empty if there is none.
        plan: What would be pulled, if the user agrees.
        lacking: What the preset lacks that was asked about last; ``None`` if none was.
        found: Folders of other programs that could be used.
        problem: What went wrong last.
        serial: Counts changes, so that somebody else can see that there are any.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: dict[str, Callable[[Mapping[str, Any]], None]] = {}
        self._pulls: dict[str, protocol.PullState] = {}
        self._has_asked = False
        self._is_planning = False
        self._agreed: set[str] = set()
        self._expected = ""
        self.is_looked_at = False
        self.kind = "checkpoints"
        self.cards: tuple[ModelCard, ...] = ()
        self.card: ModelCard | None = None
        self.thumbnail = b""
        self.plan: PullPlan | None = None
        self.lacking: tuple[LackingModel, ...] | None = None
        self.found: tuple[FoundFolder, ...] = ()
        self.problem: Problem | None = None
        self.serial = 0

    # ---- for the panel ---------------------------------------------------------------------------

    @property
    def is_planning(self) -> bool:
        """Whether a source is being asked what it has."""
        return self._is_planning

    @property
    def pulls(self) -> tuple[protocol.PullState, ...]:
        """The pulls that have not ended, in the order in which they come."""
        return tuple(pull for pull in self._pulls.values() if pull.state not in ENDS)

    def has_ended(self, pull: str) -> bool:
        """Whether a pull is over, however it ended."""
        return pull in self._pulls and self._pulls[pull].state in ENDS

    @staticmethod
    def progress_of(pull: protocol.PullState) -> tuple[float, str]:
        """Return how far a pull is, 0..1, and in words."""
        if pull.state == "waiting":
            return 0.0, f"{pull.name}: waiting"
        if pull.state == "checking":
            return 1.0, f"{pull.name}: checking"
        share = pull.done / pull.total if pull.total else 0.0
        return min(share, 1.0), f"{pull.name}: {size_words(pull.done)} of {size_words(pull.total)}"

    # ---- to be called often ----------------------------------------------------------------------

    def tick(self) -> None:
        """Ask for what is not known yet, while somebody looks."""
        if not self._link.is_connected:
            self._forget()
        elif self.is_looked_at and not self._has_asked:
            self._has_asked = True
            self.refresh()
            self._query("model_folders", self._learn_folders)
            self._query("pulls", self._learn_pulls)

    def receive(self, message: protocol.Message) -> None:
        """Take note of a message, if it is about models."""
        if isinstance(message, protocol.PullState):
            self._learn_pull(message)
        elif isinstance(message, protocol.Answer) and message.request in self._waiting:
            try:
                self._waiting.pop(message.request)(message.data)
            except BridgeError as error:
                self.problem = error.problem
            self.serial += 1
        elif isinstance(message, protocol.Failure) and message.request in self._waiting:
            del self._waiting[message.request]
            self._is_planning = False
            self.problem = message.problems[0]
            self.serial += 1

    # ---- what a user does ------------------------------------------------------------------------

    def refresh(self) -> None:
        """Ask for the models of the kind that is looked at again.

        Raises:
            BridgeError: Why there is no connection; so do all that ask.
        """
        kind = self.kind
        self._ask(lambda request: protocol.ListModels(request, kind), self._learn_cards)

    def choose(self, kind: str) -> None:
        """Look at another kind of models."""
        if kind != self.kind:
            self.kind, self.cards, self.card, self.thumbnail = kind, (), None, b""
            self.serial += 1
            if self._link.is_connected:
                self.refresh()

    def look_at(self, name: str) -> None:
        """Ask for all that is known about one of the models."""
        if self.card is not None and self.card.name == name:
            return
        self.card = next((card for card in self.cards if card.name == name), None)
        self.thumbnail = b""
        self.serial += 1
        if self.card is not None and self.card.has_thumbnail and self._link.is_connected:
            kind = self.kind
            self._ask(lambda request: protocol.ModelInfo(request, kind, name), self._learn_card)

    def ask_for_plan(self, source: str, folder: str = "", name: str = "") -> None:
        """Ask what would be pulled from a source.

        Args:
            source: What the user pasted.
            folder: Its kind, if known.
            name: Of the file, if it is to have another.
        """
        if not source.strip():
            raise BridgeError(
                "there is no address",
                code="no_source",
                hint="Paste the address of a model on Hugging Face or Civitai.",
            )
        self.plan, self.problem, self._is_planning = None, None, True
        self._ask(lambda request: protocol.PlanPull(request, source.strip(), folder, name), self._learn_plan)

    def agree(self) -> None:
        """Have the plan carried out, word for word as it is shown."""
        plan = self.plan
        if plan is None:
            return
        self.plan = None
        self._agreed.add(plan.plan)
        self._ask(
            lambda request: protocol.Pull(request, plan.plan, plan.source, plan.bytes, plan.licence),
            lambda data: None,
        )

    def decline(self) -> None:
        """Forget the plan, and the last fault."""
        self.plan, self.problem = None, None
        self.serial += 1

    def cancel(self, pull: str) -> None:
        """End a pull; nothing of it is kept."""
        self._ask(lambda request: protocol.CancelPull(request, pull), lambda data: None)

    def ask_what_lacks(self, preset: str, values: Mapping[str, Any]) -> None:
        """Ask which models a preset with these values lacks."""
        self._ask(
            lambda request: protocol.LackingModels(request, preset=preset, values=values),
            self._learn_lacking,
        )

    def add_folder(self, path: str) -> None:
        """Have a folder of models used from now on."""
        self._ask(lambda request: protocol.AddFolder(request, path), self._folder_added)

    # ---- what is learnt --------------------------------------------------------------------------

    def _learn_cards(self, data: Mapping[str, Any]) -> None:
        found = read_cards(data)
        if all(card.folder == self.kind for card in found):  # else the kind has changed meanwhile
            self.cards = found
            if self.card is not None and self.card not in found:
                self.card, self.thumbnail = None, b""
            if any(card.name == self._expected for card in found):
                self.look_at(self._expected)
                self._expected = ""

    def _learn_card(self, data: Mapping[str, Any]) -> None:
        card = card_of(data.get("model"))
        if self.card is None or (card.folder, card.name) != (self.card.folder, self.card.name):
            return
        try:
            self.thumbnail = base64.b64decode(str(data.get("thumbnail", "")), validate=True)
        except binascii.Error:
            self.thumbnail = b""

    def _learn_plan(self, data: Mapping[str, Any]) -> None:
        self._is_planning = False
        self.plan = read_plan(data)

    def _learn_lacking(self, data: Mapping[str, Any]) -> None:
        self.lacking = read_lacking(data)

    def _learn_folders(self, data: Mapping[str, Any]) -> None:
        self.found = read_found(data)

    def _learn_pulls(self, data: Mapping[str, Any]) -> None:
        for entry in data.get("pulls", ()):
            match entry:
                case {"pull": str(pull), "state": str(state), "name": str(name)}:
                    done, total = (int(entry.get(field, 0)) for field in ("done", "total"))
                    folder = str(entry.get("folder", ""))
                    self._pulls.setdefault(pull, protocol.PullState(pull, state, folder, name, done, total))

    def _learn_pull(self, pull: protocol.PullState) -> None:
        self._pulls[pull.pull] = pull
        self.serial += 1
        if pull.state == "failed" and pull.problems:
            self.problem = pull.problems[0]
        if pull.state == "done":
            if self.lacking is not None:
                self.lacking = tuple(each for each in self.lacking if not _is(each, pull))
            self._link.ask_presets_again()
            self._show_pulled(pull)

    def _show_pulled(self, pull: protocol.PullState) -> None:
        """List a model that has come, and look at it if it was agreed to here."""
        if pull.pull in self._agreed:
            self._agreed.remove(pull.pull)
            self._expected = pull.name
            if pull.folder != self.kind:
                self.choose(pull.folder)
                return
        if self._has_asked and pull.folder == self.kind and self._link.is_connected:
            self.refresh()

    def _folder_added(self, data: Mapping[str, Any]) -> None:
        path = str(data.get("path", ""))
        self.found = tuple(folder for folder in self.found if folder.path != path)
        self._link.ask_presets_again()
        self.refresh()

    def _ask(
        self, message: Callable[[str], protocol.Message], learn: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self.serial += 1
        if self._link.session is None:
            raise BridgeError(
                "there is no connection to the daemon",
                code="connection_lost",
                hint="Connect, then try again.",
            )
        self._waiting[self._link.session.request(message)] = learn

    def _query(self, subject: str, learn: Callable[[Mapping[str, Any]], None]) -> None:
        self._ask(lambda request: protocol.Query(request, subject), learn)

    def _forget(self) -> None:
        if self._has_asked or self._waiting:
            self.serial += 1
        self._waiting.clear()
        self._has_asked = self._is_planning = False


def _is(model: LackingModel, pull: protocol.PullState) -> bool:
    """Whether a pull has brought a model, which workflows may name with a folder."""
    return (model.folder, model.name.replace("\\", "/").rpartition("/")[2]) == (pull.folder, pull.name)
