"""What the editor's template browser shows: examples to begin with, and the presets of Blender and Unreal.

1. A template is made when it is asked for, of the preset or example as it is now; so a preset that the user
   has just saved is there too.
2. A preset that looks at a viewport runs from the host; in the editor it is to be read, changed and saved.
"""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bridge.builtin import Example, all_presets, examples
from bridge.comfy.pack_files import pack_examples, pack_translations
from bridge.comfy.places import below
from bridge.comfy.view import file_answer
from bridge.graph import Definitions, draw_workflow, parse_workflow
from bridge.jobs import JobService
from bridge.server import as_json

GROUPS = ("Examples", "Blender and Unreal")


def template_routes(service: JobService, presets: Sequence[Path]) -> list[Route]:
    """Return the routes of templates, and of what packs of nodes bring.

    Args:
        service: Knows the nodes.
        presets: Folders of the user's own presets.
    """
    browser = TemplateBrowser(service, presets)
    return [
        Route("/templates/{file}", browser.file),
        Route("/workflow_templates", browser.of_packs),
        Route("/workflow_templates/{pack}/{file}", browser.of_pack),
        Route("/i18n", browser.translations),
        Route("/global_subgraphs", browser.subgraphs),
    ]


class TemplateBrowser:
    """Answers the template browser."""

    def __init__(self, service: JobService, presets: Sequence[Path]) -> None:
        self._service = service
        self._presets = presets

    async def file(self, request: Request) -> Response:
        """Answer with the list, a workflow or a picture."""
        name: str = request.path_params["file"]
        templates = await asyncio.to_thread(all_templates, self._presets)
        stem, _, suffix = name.rpartition(".")
        if name == "index.json":
            return as_json(_listed(templates))
        if name == "index_logo.json":
            return as_json({})  # companies' logos; none of ours has one
        found = templates.get(stem.removesuffix("-1"))
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no template {stem}")
        if suffix == "json":
            return as_json(draw_template(found, await self._service.definitions()))
        if found.icon is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"{stem} has no picture")
        return await file_answer(found.icon)

    async def of_packs(self, request: Request) -> Response:
        """Answer with the examples that packs of nodes bring."""
        return as_json(await asyncio.to_thread(pack_examples, self._service.packs))

    async def of_pack(self, request: Request) -> Response:
        """Answer with an example of a pack, or with its picture."""
        folder = self._service.packs.get(request.path_params["pack"], {}).get("examples")
        if folder is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such pack")
        return await file_answer(below(Path(folder), request.path_params["file"]))

    async def translations(self, request: Request) -> Response:
        """Answer with the translations that packs bring."""
        return as_json(await asyncio.to_thread(pack_translations, self._service.packs))

    async def subgraphs(self, request: Request) -> Response:
        """Answer that there are no subgraphs beside those of the user."""
        return as_json({})


def all_templates(presets: Sequence[Path]) -> dict[str, Example]:
    """Return templates by name: ``example-…``, then ``preset-…``.

    Args:
        presets: Folders of the user's own presets.
    """
    found = {f"example-{each.name}": each for each in examples()}
    known, _ = all_presets(presets)
    for name, preset in known.items():
        icon = preset.icon or known[preset.base].icon
        found[f"preset-{name}"] = Example(name, preset.title, preset.description, preset.workflow, icon)
    return found


def draw_template(template: Example, definitions: Definitions) -> Mapping[str, Any]:
    """Return the editor's JSON of a template.

    Raises:
        HTTPException: 404 if a pack of nodes that it needs is not here.
    """
    workflow = parse_workflow(template.workflow)
    lacking = {node.class_type for node in workflow.nodes.values()} - set(definitions)
    if lacking:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"its nodes are not here: {', '.join(sorted(lacking))}")
    return draw_workflow(workflow, definitions)


def _listed(templates: Mapping[str, Example]) -> list[Mapping[str, Any]]:
    entries = {name: _entry(name, template) for name, template in templates.items()}
    return [
        {
            "moduleName": "default",
            "title": title,
            "type": "image",
            "templates": [entry for name, entry in entries.items() if name.startswith(prefix)],
        }
        for title, prefix in zip(GROUPS, ("example-", "preset-"), strict=True)
    ]


def _entry(name: str, template: Example) -> Mapping[str, Any]:
    return {
        "name": name,
        "title": template.title,
        "description": template.description,
        "mediaType": "image",
        "mediaSubtype": template.icon.suffix.removeprefix(".") if template.icon else "webp",
        "openSource": True,
    }
