"""Build, check and write a release of the Unreal plugin."""

import json
import tempfile
from pathlib import Path

from bridge.daemon import make_folders
from bridge.packaging.archive import write_archive
from bridge.packaging.release import Package, written
from bridge.packaging.staging import PURE, stage_unreal
from bridge.packaging.unreal_inspection import DESCRIPTOR, inspect_plugin
from bridge.packaging.wheels import fetch_wheels
from bridge.packaging.writing import cannot_build, place


def package_unreal(out: Path) -> Package:
    """Write the Unreal plugin's zip, once it has passed every check.

    Raises:
        InvalidPackage: The plugin's sources break a rule; nothing was written.
        BridgeError: ``download_failed``, ``cache_unwritable``, ``sources_missing``, ``bad_folder``,
            ``disk_full`` or ``write_failed``.
    """
    make_folders({"output": out})
    wheels = fetch_wheels(PURE)
    try:
        with tempfile.TemporaryDirectory(prefix="framebridge-") as folder:
            plugin = stage_unreal(Path(folder), wheels)
            version = json.loads((plugin / DESCRIPTOR).read_text(encoding="utf-8"))["VersionName"]
            built = write_archive(plugin, Path(folder) / f"framebridge-unreal-{version}.zip")
            checks = inspect_plugin(built)
            archive = place(built, out)
    except OSError as error:
        raise cannot_build(error) from error
    return written(archive, checks)
