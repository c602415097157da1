"""Install the add-on from a repository on a web server, and update it when a newer one lies there."""

import importlib
import shutil
import tomllib
from pathlib import Path
from typing import Any

import bpy
from harness import REQUEST, report

REPOSITORIES = bpy.context.preferences.extensions.repos


def from_repository() -> dict[str, Any]:
    bpy.context.preferences.system.use_online_access = True
    for repository in [repository for repository in REPOSITORIES if repository.use_remote_url]:
        REPOSITORIES.remove(repository)  # only ours is reached
    bpy.ops.preferences.extension_repo_add(
        name="Framebridge", remote_url=REQUEST["url"], type="REMOTE", use_sync_on_startup=False
    )
    bpy.ops.extensions.repo_sync(repo_index=number())
    bpy.ops.extensions.package_install(repo_index=number(), pkg_id="framebridge", enable_on_install=True)
    return state()


def updated() -> dict[str, Any]:
    shutil.copytree(REQUEST["newer"], REQUEST["served"], dirs_exist_ok=True)
    bpy.ops.extensions.repo_sync(repo_index=number())
    bpy.ops.extensions.package_upgrade_all()
    return state()


def number() -> int:
    return [repository.remote_url for repository in REPOSITORIES].index(REQUEST["url"])


def state() -> dict[str, Any]:
    repository = REPOSITORIES[number()]
    module = f"bl_ext.{repository.module}.framebridge"
    manifest = Path(repository.directory) / "framebridge" / "blender_manifest.toml"
    return {
        "is_enabled": module in bpy.context.preferences.addons,
        "running": importlib.import_module(f"{module}._bridge").__version__,
        "on_disk": tomllib.loads(manifest.read_text())["version"],
    }


report(from_repository, updated)
