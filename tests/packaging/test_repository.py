import hashlib
import json
from pathlib import Path

from bridge.packaging import write_index


def test_listing_offers_the_archive_beside_it(archive: Path):
    index = write_index(archive)
    assert index == archive.parent / "index.json"
    listing = json.loads(index.read_text(encoding="utf-8"))
    assert listing["version"] == "v1"
    assert listing["blocklist"] == []
    [entry] = listing["data"]
    assert entry["id"] == "framebridge"
    assert entry["archive_url"] == f"./{archive.name}"
    assert entry["archive_size"] == archive.stat().st_size
    assert entry["archive_hash"] == "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest()
    assert entry["python_versions"] == ["3.11", "3.12", "3.13", "3.14"]
    assert "wheels" not in entry


def test_listing_offers_the_new_archive_only(archive: Path):
    """Blender warns of two entries with one id; that its own tool would write the same is tested with it."""
    (archive.parent / "framebridge-0.0.9.zip").write_bytes(archive.read_bytes())
    listing = json.loads(write_index(archive).read_text(encoding="utf-8"))
    assert [entry["archive_url"] for entry in listing["data"]] == [f"./{archive.name}"]
