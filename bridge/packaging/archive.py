"""Write an add-on's folder as the zip that Blender installs, the same bytes whenever and wherever it is."""

import zipfile
from pathlib import Path

LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The oldest time that a zip can state; the true one would change the archive's hash with every build."""

PERMISSIONS = 0o100644 << 16
UNIX = 3


def write_archive(addon: Path, target: Path) -> Path:
    """Pack an add-on's folder, under its own name, into a zip; what was at ``target`` is replaced.

    The one folder at the root is what makes the zip a legacy add-on; extensions are read with and without.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        files = {
            path.relative_to(addon.parent).as_posix(): path for path in addon.rglob("*") if path.is_file()
        }
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, LONG_AGO)
            entry.external_attr = PERMISSIONS
            entry.create_system = UNIX
            is_compressed = name.endswith(".whl")
            entry.compress_type = zipfile.ZIP_STORED if is_compressed else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name].read_bytes())
    return target
