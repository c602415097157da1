"""Write the static repository from which Blender installs and updates: a listing beside the archive.

The format is version 1 of Blender's "Extension Listing" API, as ``blender --command extension
server-generate`` writes it.
"""

import hashlib
import json
import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

INDEX = "index.json"

FIELDS = (
    *("schema_version", "id", "name", "tagline", "version", "type", "maintainer", "license"),
    *(
        "blender_version_min",
        "blender_version_max",
        "website",
        "copyright",
        "permissions",
        "tags",
        "platforms",
    ),
)
"""What a listing repeats of a manifest, in its order."""

_PYTHON = re.compile(r"-cp3(\d+)-")


def write_index(archive: Path) -> Path:
    """Write the listing that offers one archive, beside it, and return its path.

    Older archives may stay in the folder: they are not listed, since Blender takes two entries with one id
    for a mistake.
    """
    index = archive.parent / INDEX
    listing = {"version": "v1", "blocklist": [], "data": [_entry(archive)]}
    index.write_text(json.dumps(listing, indent=2), encoding="utf-8", newline="\n")
    return index


def _entry(archive: Path) -> dict[str, Any]:
    with zipfile.ZipFile(archive) as packed:
        manifest = tomllib.loads(packed.read("framebridge/blender_manifest.toml").decode())
    data = archive.read_bytes()
    return {
        **{name: manifest[name] for name in FIELDS if name in manifest},
        **_pythons(manifest.get("wheels", ())),
        "archive_url": f"./{quote(archive.name)}",
        "archive_size": len(data),
        "archive_hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
    }


def _pythons(wheels: list[str]) -> dict[str, list[str]]:
    minors = sorted({int(match[1]) for wheel in wheels if (match := _PYTHON.search(wheel))})
    return {"python_versions": [f"3.{minor}" for minor in minors]} if minors else {}
