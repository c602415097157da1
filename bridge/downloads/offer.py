"""What a source says about a file before any of it is fetched: address, name, size, checksum, licence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bridge.downloads.source import (
    CIVITAI,
    HUGGING_FACE,
    CivitaiVersion,
    HubFile,
    PlainFile,
    Wanted,
    civitai_download,
)
from bridge.downloads.web import Reply, Web
from bridge.errors import BridgeError
from bridge.models import Notes, civitai_file, digest_in, is_civitai_id, line_of, notes_of_version

_COMMON_NAMES = re.compile(r"(diffusion_)?(pytorch_)?(model|lora_weights)(?P<variant>\.fp16)?\.safetensors")
"""File names that say nothing: such a file is called after its repository."""

_SILENT = ("source_not_found", "source_forbidden", "source_failed", "bad_answer")
"""What the hub may answer of a repository whose file it gives nevertheless."""

_LISTED = 8
_CHECK = "Choose a version on the model's page, and paste the address that the page then has."


@dataclass(frozen=True, slots=True)
class Offer:
    """A file that a source has.

    Args:
        shown: Where it comes from, without secrets.
        url: Of the file itself; may hold a secret.
        file: What it is called there.
        size: Bytes; ``None`` where the source does not say.
        sha256: As the source says; empty where it does not.
        notes: What else it says.
    """

    shown: str
    url: str = field(repr=False)
    file: str
    size: int | None = None
    sha256: str = ""
    notes: Notes = field(default_factory=Notes)


def ask(web: Web, wanted: Wanted) -> Offer:
    """Ask a source for what it has.

    Raises:
        BridgeError: Why it has nothing, or what is wrong with what it has.
    """
    match wanted.place:
        case HubFile() as place:
            return _ask_hub(web, place)
        case CivitaiVersion() as place:
            return _ask_civitai(web, place)
        case PlainFile() as place:
            return Offer(place.shown, place.url, "", notes=Notes(source=place.shown))


def completed(offer: Offer, reply: Reply) -> Offer:
    """Add to an offer what the answer for the file itself says of it."""
    headers = reply.headers
    size, digest = reply.size, offer.sha256
    if offer.url.startswith(f"https://{HUGGING_FACE}/"):
        digest = digest_in(headers.get("x-linked-etag", "").strip('"')) or digest
    file = offer.file or _name_in(headers.get("content-disposition", "")) or offer.shown.rpartition("/")[2]
    return Offer(offer.shown, offer.url, file, offer.size if size is None else size, digest, offer.notes)


def _ask_hub(web: Web, place: HubFile) -> Offer:
    about = _about_repository(web, place)
    if not place.path:
        raise _no_file_named(place, about)
    card = about.get("cardData")
    licence = card.get("license_name") or card.get("license") if isinstance(card, Mapping) else ""
    match = _COMMON_NAMES.fullmatch(place.path.rpartition("/")[2])
    file = place.path.rpartition("/")[2]
    if match:
        repository = place.repository.rpartition("/")[2]
        file = repository + ("-fp16" if match["variant"] else "") + ".safetensors"
    notes = Notes(
        title=place.repository.rpartition("/")[2],
        author=place.repository.partition("/")[0],
        licence=line_of(licence),
        source=f"https://{HUGGING_FACE}/{place.repository}",
    )
    return Offer(place.shown, place.url, file, notes=notes)


def _about_repository(web: Web, place: HubFile) -> Mapping[str, Any]:
    """Return what the hub says of a repository; nothing where it does not say, for the file will tell."""
    try:
        about = web.json(f"https://{HUGGING_FACE}/api/models/{place.repository}")
    except BridgeError as error:
        if error.code not in _SILENT or not place.path:
            raise
        return {}
    return about if isinstance(about, Mapping) else {}


def _no_file_named(place: HubFile, about: Mapping[str, Any]) -> BridgeError:
    siblings = about.get("siblings")
    names = [
        str(each["rfilename"])
        for each in (siblings if isinstance(siblings, list) else ())
        if isinstance(each, Mapping) and str(each.get("rfilename", "")).endswith(".safetensors")
    ]
    shown = ", ".join(f"hf:{place.repository}/{name}" for name in sorted(names)[:_LISTED])
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    hint = (
        f"Name one of its files: {shown}{more}" if names else "It has no safetensors file; try another one."
    )
    return BridgeError(
        f'"{place.repository}" is a repository, not a file', code="no_file_named", hint=line_of(hint, 1500)
    )


def _ask_civitai(web: Web, place: CivitaiVersion) -> Offer:
    api = f"https://{CIVITAI}/api/v1"
    version = place.version or _newest_version(web.json(f"{api}/models/{place.model}"), place)
    data = web.json(f"{api}/model-versions/{version}")
    if not isinstance(data, Mapping):
        raise BridgeError(f"Civitai has no version {version}", code="source_not_found", hint=_CHECK)
    number = data.get("modelId")
    model = _mapping(web.json(f"{api}/models/{number}") if is_civitai_id(number) else {})
    notes = notes_of_version({**data, "model": model or data.get("model")})
    file = _chosen_file(data, dict(place.wanted))
    if not file:
        raise BridgeError(
            "this version has no safetensors file on Civitai",
            code="no_safetensors",
            hint="Choose another version of it: pickled files (.ckpt, .pt) can run code, and are not loaded.",
        )
    digest = digest_in(_mapping(file.get("hashes")).get("SHA256"))
    said = replace(notes, source=notes.source or place.shown, sha256=digest)
    url = str(file.get("downloadUrl") or "")
    if not url.startswith(f"https://{CIVITAI}/api/download/"):
        url = civitai_download(version, place.wanted)
    return Offer(f"civitai:{version}", url, line_of(file.get("name")), None, digest, said)


def _newest_version(model: Any, place: CivitaiVersion) -> int:
    versions = model.get("modelVersions") if isinstance(model, Mapping) else None
    first = versions[0] if isinstance(versions, list) and versions else {}
    number = _mapping(first).get("id")
    if not isinstance(number, int) or not is_civitai_id(number):
        raise BridgeError(
            f"Civitai has no model {place.model}",
            code="source_not_found",
            hint=_CHECK,
        )
    return number


def _chosen_file(version: Mapping[str, Any], wanted: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the safetensors file of a version: the one a download link asks for, else the main one."""
    listed = version.get("files")
    files = [each for each in (listed if isinstance(listed, list) else ()) if isinstance(each, Mapping)]
    sound = [each for each in files if _format(each) == "safetensor"]
    if wanted:
        asked = {key: value.lower() for key, value in wanted.items() if key in ("type", "size", "fp")}
        matching = [each for each in sound if asked.items() <= _traits(each).items()]
        sound = matching or sound
    return civitai_file({"files": sound}) or next(iter(sound), {})


def _traits(file: Mapping[str, Any]) -> dict[str, str]:
    metadata = _mapping(file.get("metadata"))
    said = {"type": file.get("type"), "size": metadata.get("size"), "fp": metadata.get("fp")}
    return {key: str(value).lower() for key, value in said.items() if value}


def _format(file: Mapping[str, Any]) -> str:
    said = str(_mapping(file.get("metadata")).get("format") or "").lower()
    return said or ("safetensor" if str(file.get("name", "")).endswith(".safetensors") else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _name_in(disposition: str) -> str:
    match = re.search(r'filename="([^"]*)"', disposition) or re.search(r"filename=([^;\s]+)", disposition)
    return match[1] if match else ""
