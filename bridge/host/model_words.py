"""Trigger words of the models that a panel has chosen, asked for once a connection."""

from __future__ import annotations

from collections.abc import Iterable

from .. import protocol
from ..errors import BridgeError
from .model_cards import card_of
from .session import Session

Key = tuple[str, str]
"""A model: its kind and its name."""


class ModelWords:
    """What the daemon says that calls each model's subject or style."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._words: dict[Key, tuple[str, ...]] = {}
        self._asked: dict[str, Key] = {}

    def want(self, session: Session, models: Iterable[Key]) -> None:
        """Ask for what is not known yet; to be called while messages pass."""
        if session is not self._session:
            self._session = session
            self._words.clear()
            self._asked.clear()
        waiting = set(self._asked.values())
        for folder, name in models:
            if folder and name and (folder, name) not in self._words and (folder, name) not in waiting:
                self._ask(session, (folder, name))

    def words(self, models: Iterable[Key]) -> list[str]:
        """Return the words of these models, each once, as far as they are known."""
        return list(dict.fromkeys(word for model in models for word in self._words.get(model, ())))

    def receive(self, message: protocol.Message) -> None:
        """Take note of an answer."""
        model = self._asked.pop(getattr(message, "request", ""), None)
        if model is None:
            return
        self._words[model] = ()
        if isinstance(message, protocol.Answer):
            try:
                self._words[model] = tuple(
                    word for word in card_of(message.data.get("model")).triggers if word
                )
            except BridgeError:  # a model without words is as good
                return

    def _ask(self, session: Session, model: Key) -> None:
        try:
            request = session.request(lambda request: protocol.ModelInfo(request, *model))
        except BridgeError:  # it is asked again
            return
        self._asked[request] = model
