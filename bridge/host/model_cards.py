"""What the daemon says about models, checked as anything from outside is, and in words for a panel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BridgeError

MOST_MODELS, MOST_WORDS, LONGEST_TEXT = 20_000, 64, 4_000
"""What a panel can show; whoever sends more is broken."""

UNKNOWN = "unknown"

KINDS = {
    "checkpoints": "Checkpoints",
    "loras": "LoRAs",
    "controlnet": "ControlNets",
    "vae": "VAEs",
    "embeddings": "Embeddings",
    "upscale_models": "Upscalers",
    "diffusion_models": "Diffusion Models",
    "text_encoders": "Text Encoders",
    "ipadapter": "IP-Adapters",
    "clip_vision": "Image Encoders",
    "style_models": "Style Models",
    "photomaker": "PhotoMakers",
    "gligen": "GLIGEN",
    "diffusers": "Diffusers Folders",
}
"""Kind of models → title, in the order of a panel's menu."""


@dataclass(frozen=True)
class ModelCard:
    """An installed model; texts are empty where nothing is known."""

    folder: str
    name: str
    bytes: int = 0
    family: str = ""
    triggers: tuple[str, ...] = ()
    licence: str = ""
    title: str = ""
    author: str = ""
    source: str = ""
    sha256: str = ""
    fault: str = ""
    has_thumbnail: bool = False

    @property
    def short_family(self) -> str:
        """What it was made for, for a narrow column: ``SD 1``, ``SDXL``."""
        return self.family.replace("Stable Diffusion", "SD").removesuffix(".x")

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What there is to read of it: label and text."""
        rows = {
            "Made for": self.family,
            "Size": size_words(self.bytes) if self.bytes else "",
            "Licence": self.licence,
            "By": self.author,
        }
        return tuple((label, text or UNKNOWN) for label, text in rows.items())


@dataclass(frozen=True)
class PullPlan:
    """What would be pulled; the user agrees to it or not."""

    plan: str
    source: str
    folder: str
    name: str
    bytes: int
    licence: str = ""
    family: str = ""
    title: str = ""
    sha256: str = ""
    partial_bytes: int = 0
    free_bytes: int = 0

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What there is to agree to: label and text."""
        rows = {
            "From": self.source,
            "As": f"{self.folder}/{self.name}",
            "Made for": self.family or UNKNOWN,
            "Size": f"{size_words(self.bytes)} ({size_words(self.free_bytes)} are free)",
            "Licence": self.licence or "not said by its source: look at its page",
            "Checksum": self.sha256[:16] + "…" if self.sha256 else "not said by its source",
        }
        if self.partial_bytes:
            rows["Here"] = f"{size_words(self.partial_bytes)} from a pull that was cut"
        return tuple(rows.items())


@dataclass(frozen=True)
class LackingModel:
    """A model that a preset or workflow names and that is not installed."""

    folder: str
    name: str
    source: str = ""
    title: str = ""
    bytes: int = 0
    licence: str = ""


@dataclass(frozen=True)
class FoundFolder:
    """A folder of another program that could be used."""

    program: str
    path: str
    models: int


def read_cards(data: Mapping[str, Any]) -> tuple[ModelCard, ...]:
    """Read the answer to ``list_models``.

    Raises:
        BridgeError: ``bad_answer``; so do all that read.
    """
    return tuple(card_of(entry) for entry in _listed(data, "models"))


def card_of(entry: Any) -> ModelCard:
    """Read one card."""
    said = _mapping(entry)
    triggers = said.get("triggers", [])
    if not isinstance(triggers, list) or len(triggers) > MOST_WORDS:
        raise _bad_answer("the trigger words of a model make no sense")
    return ModelCard(
        **_texts(said, "folder", "name", "family", "licence", "title", "author", "source", "sha256", "fault"),
        bytes=_count(said, "bytes"),
        triggers=tuple(_text(word) for word in triggers),
        has_thumbnail=said.get("has_thumbnail") is True,
    )


def read_plan(data: Mapping[str, Any]) -> PullPlan:
    """Read the answer to ``plan_pull``."""
    return PullPlan(
        **_texts(data, "plan", "source", "folder", "name", "licence", "family", "title", "sha256"),
        bytes=_count(data, "bytes"),
        partial_bytes=_count(data, "partial_bytes"),
        free_bytes=_count(data, "free_bytes"),
    )


def read_lacking(data: Mapping[str, Any]) -> tuple[LackingModel, ...]:
    """Read the answer to ``lacking_models``."""
    return tuple(
        LackingModel(
            **_texts(_mapping(entry), "folder", "name", "source", "title", "licence"),
            bytes=_count(_mapping(entry), "bytes"),
        )
        for entry in _listed(data, "lacking")
    )


def read_found(data: Mapping[str, Any]) -> tuple[FoundFolder, ...]:
    """Read the folders in the answer to the query for ``model_folders``."""
    return tuple(
        FoundFolder(**_texts(_mapping(entry), "program", "path"), models=_count(_mapping(entry), "models"))
        for entry in _listed(data, "found")
    )


def size_words(count: int) -> str:
    """Return a size for people: ``2.13 GB``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} bytes"


def _listed(data: Mapping[str, Any], name: str) -> list[Any]:
    entries = data.get(name)
    if not isinstance(entries, list) or len(entries) > MOST_MODELS:
        raise _bad_answer(f"it has no list of {name}")
    return entries


def _mapping(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping):
        raise _bad_answer("an entry about a model makes no sense")
    return entry


def _texts(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: _text(said.get(name, "")) for name in names}


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
        raise _bad_answer("it names a model by something that is no text")
    return value


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _bad_answer(f'it has no sensible "{name}"')
    return value


def _bad_answer(reason: str) -> BridgeError:
    return BridgeError(
        f"the daemon's answer about models cannot be used: {reason}",
        code="bad_answer",
        hint="The add-on and the daemon may be of different versions: update both.",
    )
