"""The composition root: where folders, catalogue, jobs and the web server become one daemon.

1. One daemon a user: a lock in the state folder says so. The system frees it when a daemon dies, however.
2. The socket answers first; the worker with its models starts behind it.
3. The runtime file is written once the socket listens, and is the first thing to go at the end.
4. It leaves when told to (``POST /stop``, SIGTERM, Ctrl-C), or after an idle time without a client or a job.
   What is nearly done may end; nothing takes longer than about five seconds.
5. The daemon never computes: no numpy, no torch, no picture is opened here.
"""

import asyncio
import contextlib
import faulthandler
import logging
import math
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from bridge import __version__
from bridge.client import Runtime, log_file, remove_runtime, state_folder, write_runtime
from bridge.comfy import (
    House,
    PictureClerk,
    comfy_routes,
    editor_folder,
    editor_routes,
    standing_routes,
)
from bridge.daemon.dump import dumping_on_request
from bridge.daemon.instance import being_the_only_one
from bridge.daemon.log import keeping_log
from bridge.daemon.models import ModelDesk
from bridge.daemon.presets import PresetDesk
from bridge.daemon.service import choices_of, create_service
from bridge.daemon.settings import Settings, bad_folder, make_folders, wildcard_folder
from bridge.downloads import Network
from bridge.jobs import RUN_NOTES
from bridge.models import FOLDERS
from bridge.prompts import Wildcards, negative_presets
from bridge.server import (
    SOCKET_PATH,
    Access,
    Clients,
    WebServer,
    bind,
    bind_outside,
    create_app,
    room_in,
)

if sys.platform == "win32":  # pragma: no cover
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

logger = logging.getLogger(__name__)

DRAIN_S = 0.5
"""How long work under way may take to end once the daemon is to leave."""

CLOSE_S = 3.5
"""How long the worker may take to leave."""

OPEN_NOTE = (
    "ComfyUI's API needs no token: every program on this machine may run workflows and see their pictures; "
    "web pages may not"
)

IDLE_CHECK_S = 10.0
"""How often to look whether anybody is there, at least."""

if sys.platform == "win32":  # pragma: no cover
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
else:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(settings: Settings) -> None:
    """Run a daemon until it is told to leave.

    Raises:
        BridgeError: ``already_running``, ``newer_database``, ``port_in_use``, ``port_refused``,
            ``unsafe_host`` or ``bad_folder``.
    """
    if sys.stderr is not None:  # Windows without a console has none
        faulthandler.enable()
    with keeping_log(log_file()), asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    daemon = Daemon(settings)
    with daemon.heeding_signals(), dumping_on_request(daemon.worker_pid):
        async with daemon:
            print("\n".join(daemon.greeting()), flush=True)
            if await daemon.until_stopped():
                with contextlib.suppress(OSError):  # nobody reads it any more
                    print(f"nobody has wanted anything for {_idle_time(settings)}; leaving", flush=True)


class Daemon:
    """A daemon, for ``async with``.

    Args:
        settings: What it is to work with.
        network: Where models are pulled from; by default the internet's public addresses.

    Attributes:
        port: Where it listens.
        outside_port: Where it listens to other machines; 0 if it does not.
        token: What a request must show.
    """

    def __init__(self, settings: Settings, network: Network | None = None) -> None:
        self.port = 0
        self.outside_port = 0
        self.token = settings.token or secrets.token_urlsafe(32)
        RUN_NOTES.keep_secret(self.token)
        self._settings = settings
        self._is_stopping = asyncio.Event()
        self._catalogue = settings.catalogue
        self._service = create_service(settings, settings.definitions_file, settings.store)
        self._clients = Clients(self._service.owns_jobs)
        self._clerk = PictureClerk()
        self._models_desk = ModelDesk(settings, self._service, network or Network())
        self._presets_desk = PresetDesk(settings, self._service)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(being_the_only_one(state_folder()))
            make_folders(self._settings.folders)
            listener = stack.enter_context(bind(self._settings.host, self._settings.port))
            self.port = listener.getsockname()[1]
            self._service.open()
            where = self._settings.outside
            door = stack.enter_context(bind_outside(where)) if where else None
            self.outside_port = door.getsockname()[1] if door else 0
            app = self._app()
            await stack.enter_async_context(WebServer(app, grace_s=1).serving(listener))
            if where and door:
                files = where.certificate, where.key
                await stack.enter_async_context(WebServer(app, grace_s=1, certificate=files).serving(door))
            stack.push_async_callback(self._close_service)  # while clients can still be told
            stack.callback(self._models_desk.close)
            stack.push_async_callback(self._clerk.close)
            stack.push_async_callback(self._drain)
            stack.enter_context(self._announced())
            logger.info(
                "framebridge %s listens on port %d as process %d", __version__, self.port, os.getpid()
            )
            await self._service.start()
            self._exit = stack.pop_all()
        return self

    async def __aexit__(self, *reason: object) -> None:
        logger.info("leaving")
        await self._exit.aclose()

    def worker_pid(self) -> int:
        """Return the worker's process id; 0 while there is none."""
        return self._service.worker_pid

    def greeting(self) -> Iterator[str]:
        """Say how to reach it, who may, and when it leaves by itself."""
        yield f"framebridge listens on port {self.port}; framebridge stop ends it"
        if self._settings.idle_timeout_s:
            limit = _idle_time(self._settings)
            yield f"after {limit} without a client or a job it leaves; --idle-minutes 0 stays"
        if self._settings.comfy_compatible:
            yield OPEN_NOTE
        if self._settings.outside:
            names = " or ".join(self._settings.outside.address(self.outside_port).names)
            yield f"other machines reach it at port {self.outside_port} of {names}, by TLS and with the token"

    def stop(self) -> None:
        """Make ``until_stopped`` return."""
        self._is_stopping.set()

    async def until_stopped(self) -> bool:
        """Wait until somebody calls ``stop``, or nobody has wanted anything for the idle time.

        Returns:
            Whether it was the idle time.
        """
        limit_s = self._settings.idle_timeout_s or math.inf
        busy_at = time.monotonic()
        while not self._is_stopping.is_set():
            if self._service.state.queue_remaining or self._models_desk.is_busy:
                busy_at = time.monotonic()
            if min(time.monotonic() - busy_at, self._service.idle_s, self._clients.idle_s) >= limit_s:
                logger.info("nobody has wanted anything for %g s", limit_s)
                return True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopping.wait(), min(limit_s / 10, IDLE_CHECK_S))
        return False

    @contextlib.contextmanager
    def heeding_signals(self) -> Iterator[None]:
        """Stop when the system, the terminal or Ctrl-C asks for it, while the block runs."""
        loop = asyncio.get_running_loop()

        def heed(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.stop)

        wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
        before = {number: signal.signal(number, heed) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _app(self) -> Starlette:
        answers = {
            "models": self._models,
            "negatives": lambda: {"negatives": negative_presets()},
            "settings": lambda: {"settings": self._settings.told()},
            "wildcards": _wildcards,
            **self._models_desk.answers,
            **self._presets_desk.answers,
        }
        return create_app(
            self._service,
            self._access(),
            answers=answers,
            handlers={**self._models_desk.handlers, **self._presets_desk.handlers},
            clients=self._clients,
            checks={"disk": room_in(state_folder(), self._settings.folders["output"])},
            stop=self.stop,
            compatible=self._compatible(),
        )

    def _compatible(self) -> list[BaseRoute]:
        """Return ComfyUI's routes, and those of its editor where that is installed."""
        choices = choices_of(self._settings)
        house = House(
            self._catalogue,
            self._settings.folders,
            self._settings.user_folder,
            self._settings.preset_folders,
            log_file(),
        )
        standing = standing_routes(self._service, choices, house, self._clerk)
        editor = editor_folder()
        return [
            *comfy_routes(
                self._service,
                self._clients,
                choices,
                self._catalogue,
                state_folder() / "webhooks",
                standing,
                self._settings.webhook_hosts,
            ),
            *(editor_routes(editor, self._service) if editor else ()),
        ]

    def _access(self) -> Access:
        where = self._settings.outside
        return Access(
            self.token,
            self.port,
            outside=where.address(self.outside_port) if where else None,
            is_compatible_open=self._settings.comfy_compatible,
        )

    @contextlib.contextmanager
    def _announced(self) -> Iterator[None]:
        host = "[::1]" if self._settings.host == "::1" else "127.0.0.1"
        url = f"ws://{host}:{self.port}{SOCKET_PATH}"
        runtime = Runtime(url, self.port, self.token, os.getpid(), __version__, time.time())
        try:
            write_runtime(runtime)
        except OSError as error:
            raise bad_folder(state_folder(), error) from error
        try:
            yield
        finally:
            remove_runtime(os.getpid())

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._service.state.queue_remaining:
                    await asyncio.sleep(0.05)

    async def _close_service(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._service.close()

    def _models(self) -> Mapping[str, Any]:
        return {"models": {folder: self._catalogue.names(folder) for folder in FOLDERS}}


def _idle_time(settings: Settings) -> str:
    return f"{settings.idle_timeout_s / 60:g} min"


def _wildcards() -> Mapping[str, Any]:
    return {"folder": str(wildcard_folder()), "wildcards": list(Wildcards([wildcard_folder()]).names)}
