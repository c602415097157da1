"""The routes about what stays between jobs: files, models, nodes, the user's settings, the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.routing import Route

from bridge.comfy.clerk import PictureClerk
from bridge.comfy.internal import internal_routes
from bridge.comfy.models import model_routes
from bridge.comfy.object_info import object_info_routes
from bridge.comfy.places import Folders
from bridge.comfy.settings import settings_routes
from bridge.comfy.system import system_routes
from bridge.comfy.templates import template_routes
from bridge.comfy.upload import upload_routes
from bridge.comfy.userdata import userdata_routes
from bridge.comfy.view import view_routes
from bridge.graph import ChoicesOf
from bridge.jobs import JobService
from bridge.models import Catalogue


@dataclass(frozen=True, slots=True)
class House:
    """Where things lie.

    Args:
        catalogue: Models.
        folders: Pictures: ``input``, ``output`` and ``temp``.
        user: The user's files and settings of the editor.
        presets: The user's own presets.
        log: The daemon's log file.
    """

    catalogue: Catalogue
    folders: Folders
    user: Path
    presets: Sequence[Path]
    log: Path


def standing_routes(
    service: JobService, choices: ChoicesOf, house: House, clerk: PictureClerk
) -> list[Route]:
    """Return the routes, without ``/api``.

    Args:
        service: Knows the nodes and the device.
        choices: Lists the names in a folder.
        house: Where things lie.
        clerk: Makes previews.
    """
    return [
        *view_routes(house.folders, clerk),
        *upload_routes(house.folders, clerk),
        *settings_routes(house.user),
        *userdata_routes(house.user),
        *model_routes(house.catalogue),
        *object_info_routes(service, choices),
        *system_routes(service),
        *template_routes(service, house.presets),
        *internal_routes(house.folders, house.catalogue, house.log),
    ]
