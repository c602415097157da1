# SPDX-License-Identifier: GPL-3.0-or-later
"""Go through the chain from the daemon to a picture in the file, and say which link breaks and what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bpy

from . import display
from ._bridge import protocol
from ._bridge.client import error_from
from ._bridge.errors import BridgeError, Problem
from .controls import preset_of
from .recipe import current_recipe, sized
from .report import counted, problem_from
from .session import frame_of
from .source import viewport_again
from .tasks import Task
from .viewport import Viewport, region_view

if TYPE_CHECKING:
    from .studio import Studio

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


class Diagnosis:
    """A walk along the chain, a little in each tick.

    Args:
        studio: Whose connection and capturer are tried.
        viewport: Where a picture is captured.
    """

    def __init__(self, studio: Studio, viewport: Viewport) -> None:
        names = ("Daemon", "Token", "Models", "Capture", "Picture", "Write Back")
        self.steps = [Step(name) for name in names]
        self.is_over = False
        self._studio = studio
        self._place = viewport.space.as_pointer(), viewport.scene.name
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
            self._broken(problem_from(error))

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
        link = self._studio.link
        with _running(daemon):
            self._studio.connect()
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
            viewport = viewport_again(*self._place)
            recipe, preset = current_recipe(viewport.scene), preset_of(viewport.scene.framebridge)
            capture = self._studio.capturer.capture(viewport, region_view(viewport, SIDE, SIDE))
            captured.words = f"{SIDE} × {SIDE} pixels" + (", nothing but sky" if capture.is_all_sky else "")
        with _running(picture):
            recipe = sized(recipe, preset, SIDE, SIDE)
            recipe = recipe.with_values(steps=1) if preset.find("steps") else recipe
            began = time.monotonic()
            request = link.session.submit(frame_of(capture), recipe)
            task = self._task = self._studio.tasks.add(Task(request, on_end=lambda task: None))
            yield from self._until(lambda: task.has_ended, picture)
            if task.problems:
                raise error_from(task.problems)
            if not task.pictures:
                raise BridgeError("the preset sent no picture", code="no_picture")
            picture.words = f"made in {time.monotonic() - began:.1f} s"
        with _running(written):
            _write_back(task.pictures[0])
            written.words = "every pixel came back"

    def _models(self, step: Step) -> Iterator[None]:
        request = self._studio.link.session.ask("models")
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

    def _until(self, is_over, step: Step) -> Iterator[None]:
        deadline = time.monotonic() + PATIENCE_S[step.name]
        while not is_over():
            if time.monotonic() > deadline:
                session = self._studio.link.session
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
            self._studio.tasks.cancel(self._task, self._studio.link.session)


@contextmanager
def _running(step: Step) -> Iterator[None]:
    """Mark a step while it runs, and when it has gone well."""
    step.state = "running"
    yield
    step.state = "good"


def _write_back(picture: protocol.Plane) -> None:
    """Write a picture into an image and compare; the image does not stay."""
    image = display.show_picture(picture, "diagnosis", "Framebridge Diagnosis")
    try:
        rows = display.rows_of(picture)
        if not (display.picture_rows(image)[..., : rows.shape[2]] == rows).all():
            raise BridgeError("the pixels of an image are not those written to it", code="bad_image")
    finally:
        bpy.data.images.remove(image)
