"""Which routes there are, in the order in which they are tried, and what each asks of whoever wants in."""

import functools
from collections.abc import Iterable, Sequence

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

from bridge.server.access import Kind

KNOWN_PATHS = 256
"""Paths whose kind is remembered."""

SHORT = 100
"""Characters of such a path, at most: strangers name paths too."""


class RouteKinds:
    """The routes with their kinds.

    A path that no route answers is ``COMPATIBLE``: clients of ComfyUI ask for routes that a server may lack,
    and take 404 for an answer, but not 401.

    Args:
        groups: Routes of one kind each; the first that matches a request answers it.
    """

    def __init__(self, groups: Iterable[tuple[Kind, Sequence[BaseRoute]]]) -> None:
        self._kinds = [(route, kind) for kind, routes in groups for route in routes]
        self._known = functools.lru_cache(KNOWN_PATHS)(self._find)

    @property
    def routes(self) -> list[BaseRoute]:
        """All routes, in order."""
        return [route for route, _ in self._kinds]

    def kind_of(self, scope: Scope) -> Kind:
        """Return the kind of the route that a request would reach.

        A route that knows the path but not the method counts too: then every route of this path would have
        to be open for a method to be let in.
        """
        protocol, path = scope["type"], scope["path"]
        return self._known(protocol, path) if len(path) <= SHORT else self._find(protocol, path)

    def _find(self, protocol: str, path: str) -> Kind:
        """Return the kind; routes of ours ask for the protocol and the path alone."""
        scope = {"type": protocol, "path": path, "method": "GET", "headers": []}
        for route, kind in self._kinds:
            if route.matches(scope)[0] is not Match.NONE:
                return kind
        return Kind.COMPATIBLE if protocol == "http" else Kind.NATIVE
