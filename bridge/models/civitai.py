"""What Civitai says of a model, as its API answers and as helpers of A1111 keep it beside the file.

Source: Civitai's REST API reference, ``/api/v1/models`` and ``/api/v1/model-versions``.
"""

from collections.abc import Mapping
from typing import Any

from bridge.models.notes import Notes, digest_in, line_of, text_of, words_of

PAGE = "https://civitai.com/models/"

_USES = {
    "Image": "selling pictures",
    "RentCivit": "renting on Civitai",
    "Rent": "renting",
    "Sell": "selling it",
}
"""``allowCommercialUse``, in words."""


def notes_of_version(data: Any, file_name: str = "") -> Notes:
    """Return what is said about one version of a model.

    Args:
        data: JSON of ``/api/v1/model-versions/ID``, or of a ``.civitai.info`` file.
        file_name: Of the file at hand, which may be one of several of a version.
    """
    if not isinstance(data, Mapping):
        return Notes()
    model = _mapping(data.get("model"))
    titles = line_of(model.get("name")), line_of(data.get("name"))
    number, version = data.get("modelId"), data.get("id")
    page = f"{PAGE}{number}?modelVersionId={version}" if is_id(number) and is_id(version) else ""
    return Notes(
        title=" ".join(title for title in titles if title),
        author=line_of(_mapping(model.get("creator") or data.get("creator")).get("username")),
        description=text_of(data.get("description") or model.get("description")),
        triggers=words_of(data.get("trainedWords") or []),
        licence=licence_of({**data, **model}),
        base_model=line_of(data.get("baseModel")),
        source=page,
        sha256=digest_of_file(file_in(data, file_name)),
    )


def file_in(data: Mapping[str, Any], file_name: str = "") -> Mapping[str, Any]:
    """Return what is said of a version's file: the one of that name, else its main or only one."""
    files = [each for each in _listed(data.get("files")) if isinstance(each, Mapping)]
    named = [each for each in files if each.get("name") == file_name]
    main = [each for each in files if each.get("primary")] or files[: len(files) == 1]
    return next(iter(named or main), {})


def digest_of_file(file: Mapping[str, Any]) -> str:
    """Return the SHA-256 that is said of a file."""
    return digest_in(_mapping(file.get("hashes")).get("SHA256"))


def licence_of(model: Mapping[str, Any]) -> str:
    """Say what the maker of a model allows; empty where nothing is said."""
    if "allowCommercialUse" not in model:
        return ""
    uses = model["allowCommercialUse"]
    listed = uses if isinstance(uses, list) else [part.strip() for part in str(uses).strip("{}").split(",")]
    allowed = [words for name, words in _USES.items() if name in listed]
    said = [f"allows {', '.join(allowed)}" if allowed else "no commercial use"]
    if model.get("allowNoCredit") is False:
        said.append("credit the maker")
    if model.get("allowDerivatives") is False:
        said.append("no merges")
    return "Civitai: " + "; ".join(said)


def is_id(value: Any) -> bool:
    """Say whether a value is a number that Civitai gives."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
