"""Put the host add-ons together, check them, and write what users and web servers take."""

from bridge.packaging.archive import write_archive
from bridge.packaging.contents import Check, InvalidPackage
from bridge.packaging.inspection import inspect_archive
from bridge.packaging.release import Package, package_blender
from bridge.packaging.repository import write_index
from bridge.packaging.staging import PACKAGE, PURE, VENDORED, stage_blender, stage_unreal
from bridge.packaging.unreal_inspection import inspect_plugin
from bridge.packaging.unreal_release import package_unreal
from bridge.packaging.wheels import fetch_wheels, pinned_wheels

__all__ = [
    "PACKAGE",
    "PURE",
    "VENDORED",
    "Check",
    "InvalidPackage",
    "Package",
    "fetch_wheels",
    "inspect_archive",
    "inspect_plugin",
    "package_blender",
    "package_unreal",
    "pinned_wheels",
    "stage_blender",
    "stage_unreal",
    "write_archive",
    "write_index",
]
