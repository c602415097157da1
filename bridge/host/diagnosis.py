"""Go through the chain from the daemon to a picture in the host, and say which link breaks and what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from .. import protocol
from ..client import error_from
from ..errors import BridgeError, Problem
from .link import Link
from .preset import Preset
from .recipe import Recipe, sized
from .tasks import Task, Tasks
from .words import counted, sentence

SIDE = 128
"""Pixels a side of the picture that is made."""

PATIENCE_S = {"Daemon": 60.0, "Token": 15.0, "Models": 30.0, "Picture": 300.0}
"""How long each link is waited for; a first picture loads the model."""


@dataclass
class Step:
    """A link of the chain.

    Attributes:
        state: ``waiting``, ``running``, ``good`` or ``broken``.
        words: What was found.
    """

    name: str
    state: str = "waiting"
    words: str = ""
    problem: Problem | None = None

    @property
    def line(self) -> str:
        """The step in one line."""
        found = sentence(self.problem) if self.problem is not None else self.words
        return f"{self.name}: {found}" if found else self.name


class Trial(Protocol):
    """What a host tries on its side; everything here may raise ``BridgeError``."""

    def connect(self) -> None:
        """Begin to connect, starting the daemon if need be."""

    def recipe(self) -> tuple[Recipe, Preset]:
        """Return what the panel asks for."""

    def capture(self, side: int) -> tuple[protocol.Frame, str]:
        """Capture a square of ``side`` pixels; returns, too, what is odd about it: ``nothing but sky``."""

    def write_back(self, picture: protocol.Plane) -> None:
        """Write a picture to where results go, compare, and take it away again."""

    def problem_from(self, error: Exception) -> Problem:
        """Describe an error."""


class Diagnosis:
    """A walk along the chain, a little in each tick.

    Args:
        link: The connection.
        tasks: Where the picture is followed.
        trial: The host's side.
    """

    def __init__(self, link: Link, tasks: Tasks, trial: Trial) -> None:
        names = ("Daemon", "Token", "Models", "Capture", "Picture", "Write Back")
        self.steps = [Step(name) for name in names]
        self.is_over = False
        self._link, self._tasks, self._trial = link, tasks, trial
        self._answers: dict[str, protocol.Message] = {}
        self._task: Task | None = None
        self._course = self._walk()

    def tick(self) -> None:
        """Go on."""
        if self.is_over:
            return
        try:
            next(self._course)
        except StopIteration:
            self.is_over = True
        except Exception as error:  # whatever it is, it is what the artist wants to know
            self._broken(self._trial.problem_from(error))

    def receive(self, message: protocol.Message) -> None:
        """Take note of an answer."""
        request = getattr(message, "request", "")
        if request and not self.is_over:
            self._answers[request] = message

    @property
    def broken(self) -> Step | None:
        """The link that broke, if one did."""
        return next((step for step in self.steps if step.state == "broken"), None)

    def _walk(self) -> Iterator[None]:
        daemon, token, models, captured, picture, written = self.steps
        link = self._link
        with _running(daemon):
            self._trial.connect()
            yield from self._until(lambda: link.is_connected or link.is_hopeless, daemon)
            trouble = link.trouble
            if trouble is not None and trouble.code != "not_allowed":
                raise error_from([trouble])
            daemon.words = "answers" if trouble is None else "is there"
        with _running(token):
            if trouble is not None:
                raise error_from([trouble])
            token.words = "is accepted"
        with _running(models):
            yield from self._until(lambda: link.is_ready or link.is_hopeless, models)
            if link.trouble is not None:
                raise error_from([link.trouble])
            models.words = yield from self._models(models)
        with _running(captured):
            recipe, preset = self._trial.recipe()
            frame, oddity = self._trial.capture(SIDE)
            captured.words = ", ".join(filter(None, (f"{SIDE} × {SIDE} pixels", oddity)))
        with _running(picture):
            recipe = sized(recipe, preset, SIDE, SIDE)
            recipe = recipe.with_values(steps=1) if preset.find("steps") else recipe
            began = time.monotonic()
            plane = yield from self._picture(picture, frame, recipe)
            picture.words = f"made in {time.monotonic() - began:.1f} s"
        with _running(written):
            self._trial.write_back(plane)
            written.words = "every pixel came back"

    def _models(self, step: Step) -> Generator[None, None, str]:
        assert self._link.session is not None
        request = self._link.session.ask("models")
        yield from self._until(lambda: request in self._answers, step)
        answer = self._answers[request]
        if isinstance(answer, protocol.Failure):
            raise error_from(answer.problems)
        models = answer.data.get("models", {}) if isinstance(answer, protocol.Answer) else {}
        checkpoints = len(models.get("checkpoints", ()))
        if not checkpoints:
            raise BridgeError(
                "the daemon has no checkpoints", code="no_models", hint="Start it with --models FOLDER."
            )
        controlnets = len(models.get("controlnet", ()))
        return f"{counted(checkpoints, 'checkpoint')}, {counted(controlnets, 'ControlNet')}"

    def _picture(
        self, step: Step, frame: protocol.Frame, recipe: Recipe
    ) -> Generator[None, None, protocol.Plane]:
        assert self._link.session is not None
        request = self._link.session.submit(frame, recipe)
        task = self._task = self._tasks.add(Task(request, on_end=lambda task: None))
        yield from self._until(lambda: task.has_ended, step)
        if task.problems:
            raise error_from(task.problems)
        if not task.pictures:
            raise BridgeError("the preset sent no picture", code="no_picture")
        return task.pictures[0]

    def _until(self, is_over: Callable[[], bool], step: Step) -> Iterator[None]:
        deadline = time.monotonic() + PATIENCE_S[step.name]
        while not is_over():
            if time.monotonic() > deadline:
                session = self._link.session
                if session is not None and session.status.problem is not None:
                    raise error_from([session.status.problem])
                raise BridgeError(
                    f"nothing came back within {PATIENCE_S[step.name]:g} s",
                    code="timeout",
                    hint="See the daemon's log: framebridge doctor names it.",
                )
            yield

    def _broken(self, problem: Problem) -> None:
        self.is_over = True
        step = next((step for step in self.steps if step.state != "good"), self.steps[-1])
        step.state, step.problem, step.words = "broken", problem, problem.message
        if self._task is not None and not self._task.has_ended:
            self._tasks.cancel(self._task, self._link.session)


@contextmanager
def _running(step: Step) -> Iterator[None]:
    """Mark a step while it runs, and when it has gone well."""
    step.state = "running"
    yield
    step.state = "good"
