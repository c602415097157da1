"""What the editor's template browser shows."""

from collections.abc import Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.comfy.bodies import as_json
from bridge.jobs import JobService


def template_routes(service: JobService, presets: Sequence[Path]) -> list[Route]:
    """Return the routes of templates and translations."""

    async def none(request: Request) -> Response:
        return as_json({})

    return [
        Route("/i18n", none),
        Route("/workflow_templates", none),
        Route("/global_subgraphs", none),
    ]
