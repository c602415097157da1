"""What a user pastes, taken apart: a name of the curated list, Hugging Face, Civitai, or any address."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from bridge.downloads.web import split_url
from bridge.errors import BridgeError
from bridge.models import curated_models

HUGGING_FACE = "huggingface.co"
CIVITAI = "civitai.com"

_HUB_HOSTS = {"huggingface.co", "www.huggingface.co", "hf.co"}
_CIVITAI_HOSTS = {"civitai.com", "www.civitai.com"}
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_REVISION = re.compile(r"[\w./-]{1,200}")
_EXAMPLES = (
    "Paste the address of a file on huggingface.co, of a model on civitai.com, or a name of: "
    "framebridge models list --curated"
)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a repository of Hugging Face; ``path`` is empty where only the repository was named."""

    repository: str
    path: str
    revision: str = "main"

    @property
    def shown(self) -> str:
        """As ``pull`` takes it."""
        revision = "" if self.revision == "main" else f"@{quote(self.revision, safe='')}"
        return f"hf:{self.repository}{revision}/{self.path}"

    @property
    def url(self) -> str:
        """Of the file."""
        revision = quote(self.revision, safe="")
        return f"https://{HUGGING_FACE}/{self.repository}/resolve/{revision}/{quote(self.path)}"


@dataclass(frozen=True, slots=True)
class CivitaiVersion:
    """A version of a model on Civitai.

    Args:
        version: Its number; 0 for the newest of ``model``.
        model: The model's number; 0 where only the version is known.
        wanted: Which of its files: ``type``, ``format``, ``size``, ``fp`` as its download links say.
        token: Of the user, if the address held one.
    """

    version: int
    model: int = 0
    wanted: tuple[tuple[str, str], ...] = ()
    token: str = field(default="", repr=False)

    @property
    def shown(self) -> str:
        """As ``pull`` takes it."""
        return f"civitai:{self.version}" if self.version else f"https://{CIVITAI}/models/{self.model}"


@dataclass(frozen=True, slots=True)
class PlainFile:
    """A file at an address; what follows the ``?`` may be a secret, and is never shown."""

    url: str = field(repr=False)

    @property
    def shown(self) -> str:
        """The address without what may be a secret."""
        return urlunsplit((*urlsplit(self.url)[:3], "", ""))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be pulled.

    Args:
        place: Where it lies.
        file: The name it is to have; empty for the source's own.
        folder: Its kind, if known beforehand.
        licence: If known beforehand.
        token: Of the user for ``huggingface.co`` or ``civitai.com``, if the address held one.
    """

    place: HubFile | CivitaiVersion | PlainFile
    file: str = ""
    folder: str = ""
    licence: str = ""


def read_source(text: str) -> Wanted:
    """Take apart what a user pasted.

    Raises:
        BridgeError: ``bad_source``, ``not_https``.
    """
    text = text.strip().strip("<>\"'")
    known = curated_models().get(text)
    if known is not None:
        return Wanted(read_source(known.source).place, known.file, known.folder, known.licence)
    if text.startswith("hf:"):
        return Wanted(_hub_file(text.removeprefix("hf:").removeprefix("//")))
    if match := re.fullmatch(r"(?:urn:air:[\w.-]+:[\w.-]+:)?civitai:(?:(\d{1,12})@)?(\d{1,12})", text):
        return Wanted(CivitaiVersion(int(match[2]), int(match[1] or 0)))
    if "://" not in text:
        raise _bad_source(f'"{text[:100]}" is neither an address nor a name of the list')
    parts = split_url(text)
    host = parts.hostname or ""
    if host in _HUB_HOSTS:
        return Wanted(_hub_page(parts.path))
    if host in _CIVITAI_HOSTS:
        return Wanted(_civitai_page(parts.path, parts.query))
    return Wanted(PlainFile(urlunsplit((*parts[:4], ""))))


def _hub_file(text: str) -> HubFile:
    """Read ``owner/repo/path`` or ``owner/repo@revision/path``."""
    match = re.fullmatch(r"([^/@]+/[^/@]+)(?:@([^/]+))?(?:/(.*))?", text)
    if not match:
        raise _bad_source(
            f'"hf:{text[:100]}" is not of the form hf:owner/repository/path/to/file.safetensors'
        )
    return _checked(match[1], unquote(match[2] or "main"), match[3] or "")


def _hub_page(path: str) -> HubFile:
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if len(parts) >= 5 and parts[2] in ("blob", "resolve", "raw"):
        return _checked("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
    if len(parts) == 2 or (len(parts) > 2 and parts[2] == "tree"):
        return _checked("/".join(parts[:2]), parts[3] if len(parts) > 3 else "main", "")
    raise _bad_source("this page of Hugging Face is no model")


def _checked(repository: str, revision: str, path: str) -> HubFile:
    is_sound = _REPOSITORY.fullmatch(repository) and _REVISION.fullmatch(revision)
    if not is_sound or ".." in path.split("/") or not (path.isprintable() or not path):
        raise _bad_source("this is no file of a repository on Hugging Face")
    return HubFile(repository, path, revision)


def _civitai_page(path: str, query: str) -> CivitaiVersion:
    asked = dict(parse_qsl(query))
    token = asked.pop("token", "")
    if match := re.fullmatch(r"/api/download/models/(\d{1,12})/?", path):
        return CivitaiVersion(int(match[1]), wanted=tuple(sorted(asked.items())), token=token)
    if match := re.match(r"/models/(\d{1,12})(?:/|$)", path):
        version = asked.get("modelVersionId", "0")
        if version.isascii() and version.isdigit() and len(version) <= 12:
            return CivitaiVersion(int(version), int(match[1]), token=token)
    raise _bad_source("this page of Civitai is no model")


def civitai_download(version: int, wanted: tuple[tuple[str, str], ...]) -> str:
    """Return the address of a version's file."""
    query = f"?{urlencode(wanted)}" if wanted else ""
    return f"https://{CIVITAI}/api/download/models/{version}{query}"


def _bad_source(message: str) -> BridgeError:
    return BridgeError(message, code="bad_source", hint=_EXAMPLES)
