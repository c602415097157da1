"""Put the host add-ons together, check them, and write what users and web servers take."""

from bridge.packaging.archive import write_archive
from bridge.packaging.inspection import Check, InvalidPackage, inspect_archive
from bridge.packaging.release import Package, package_blender
from bridge.packaging.repository import write_index
from bridge.packaging.staging import PACKAGE, VENDORED, stage_blender
from bridge.packaging.wheels import fetch_wheels, pinned_wheels

__all__ = [
    "PACKAGE",
    "VENDORED",
    "Check",
    "InvalidPackage",
    "Package",
    "fetch_wheels",
    "inspect_archive",
    "package_blender",
    "pinned_wheels",
    "stage_blender",
    "write_archive",
    "write_index",
]
