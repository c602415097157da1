"""``server.PromptServer.instance``: what packs want of the web server, which is in another process.

1. A pack gets no route: whoever asks for one keeps its function, and it is logged that nobody can reach it.
   A route would run a pack's code for everybody who reaches the port, before any job is accepted.
2. ``send_sync`` reaches the client whose job runs, if it listens to nodes at all; outside of a job, nobody.
3. That client is called by its job: here nobody knows its own name.
"""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar, TypeVar

from bridge.engine import PROGRESS_TEXT, PackEvent
from bridge.packs.inputs import plain
from bridge.packs.shims.missing import refusing
from bridge.packs.shims.place import whose

__all__ = ["PromptServer"]

log = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])


class Routes:
    """Takes routes, and leads nowhere (rule 1)."""

    def __getattr__(self, method: str) -> Callable[..., Callable[[F], F]]:
        if method not in ("get", "post", "put", "delete", "patch", "head", "options", "view", "route"):
            raise AttributeError(f"routes have no method {method}")

        def decorate(path: str, *_: Any, **__: Any) -> Callable[[F], F]:
            def leave(function: F) -> F:
                log.warning(
                    "%s asks for the route %s %s; packs get none", function.__module__, method.upper(), path
                )
                return function

            return leave

        return decorate


class PromptServer:
    """The server, as far as packs see it."""

    instance: ClassVar["PromptServer"]

    def __init__(self) -> None:
        self.routes = Routes()
        self.supports = ["custom_nodes_from_web"]
        self.app = SimpleNamespace(add_routes=self._ignored, router=SimpleNamespace(add_static=self._ignored))

    @property
    def client_id(self) -> str | None:
        """Whom ``send_sync`` would reach (rule 3)."""
        found = whose()
        return found[0].id if found and found[0].wants_nodes else None

    @property
    def last_prompt_id(self) -> str | None:
        """The job that runs."""
        found = whose()
        return found and found[0].id

    @property
    def last_node_id(self) -> str | None:
        """The node that runs."""
        found = whose()
        return found and found[1]

    def send_sync(self, event: str, data: Any, sid: str | None = None) -> None:
        """Tell the client of the running job (rule 2); what JSON cannot say is left out."""
        found = whose()
        job = found and found[0]
        if not isinstance(data, dict):
            log.warning(
                "the event %s of a pack brings %s, no mapping; nobody hears it", event, type(data).__name__
            )
        elif job and job.wants_nodes:
            job.emit(PackEvent(job.id, event, plain(data)))

    def send_progress_text(self, text: str | bytes, node_id: str, sid: str | None = None) -> None:
        """Show a line of text at a node (rule 2)."""
        said = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        self.send_sync(PROGRESS_TEXT, {"node": node_id, "text": said})

    def add_on_prompt_handler(self, handler: Callable[..., Any]) -> None:
        """Keep nothing: jobs are accepted in another process, where packs do not run."""
        self._ignored(handler)

    def __getattr__(self, name: str) -> Any:
        return refusing("server.PromptServer.instance")(name)

    def _ignored(self, *_: Any, **__: Any) -> None:
        log.warning("a pack wants to change the web server; packs cannot")


PromptServer.__module__ = "server"  # so that a pack which asks where it lies is led to the user's folder
PromptServer.instance = PromptServer()
