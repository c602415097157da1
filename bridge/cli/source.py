"""What ``framebridge run`` is given: a workflow file, or a saved picture that remembers how it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.builtin import all_presets
from bridge.daemon import Settings
from bridge.errors import InputError, Problem
from bridge.graph import Definitions, is_drawing, parse_workflow, read_drawing, read_json
from bridge.imaging import FrameStore, has_exif, load_frame, read_exif_workflow, read_workflow
from bridge.protocol import Frame


@dataclass(frozen=True, slots=True)
class Source:
    """A workflow, and what is known about the picture it once made.

    Args:
        workflow: API JSON; the editor's drawing until ``converted``.
        extra: The editor's workflow, to keep with new pictures.
        origin: Version, frame digest, device, dtype, threads, torch and model hashes of a saved picture;
            empty for a workflow file.
        is_example: Whether it is one of the examples that come along.
    """

    workflow: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)
    is_example: bool = False

    def converted(self, definitions: Definitions) -> "Source":
        """Return it with a workflow that runs, where it holds only the editor's drawing.

        Raises:
            WorkflowError: What is wrong with the drawing.
        """
        if not is_drawing(self.workflow):
            return self
        return replace(self, workflow=parse_workflow(read_drawing(self.workflow, definitions)).to_json())

    def frame(self, file: Path | None, kept_frames: Path) -> Frame | None:
        """Return the frame to look at: the given file, else the one that the picture names.

        Raises:
            InputError: ``frame_missing`` if the picture's frame is kept no more; ``bad_frame``.
        """
        if file:
            return load_frame(file)
        digest = self.origin.get("frame")
        return FrameStore(kept_frames).load(digest) if isinstance(digest, str) else None

    def differences(self, environment: Mapping[str, Any], models: Mapping[str, str]) -> Iterator[Problem]:
        """Say what may make the new pixels differ from the saved ones.

        Args:
            environment: Of the worker at hand.
            models: ``folder/name`` → SHA-256 of the models at hand.
        """
        for name in ("device", "dtype", "threads", "torch"):
            then, now = self.origin.get(name), environment.get(name)
            if then is not None and then != now:
                yield _difference(f"the picture was made with {name} {then}, this is {now}")
        for name, then in dict(self.origin.get("models") or {}).items():
            now = models.get(name)
            if now is None:
                yield _difference(f'the model "{name}" of the picture is not here')
            elif now != then:
                yield _difference(f'the model "{name}" is another file than the one that made the picture')


def read_source(path: Path) -> Source:
    """Read a workflow, in the API's form or as the editor saves it, from a JSON file or a picture.

    Raises:
        WorkflowError: What is wrong with the JSON.
        InputError: ``file_not_found``, ``preset_file``, or what is wrong with the picture.
    """
    if path.suffix.lower() == ".png":
        return _remembered(read_workflow(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            code="file_not_found",
            hint="Give a workflow's JSON, or a picture that Framebridge or ComfyUI saved.",
        ) from error
    if has_exif(content):
        return _remembered(read_exif_workflow(content, path.name))
    data = read_json(content)
    refuse_preset(path, data, "framebridge run --preset {}")
    if is_titled(data):
        return replace(_source(data["workflow"]), is_example=True)
    return _source(data)


def is_titled(data: Any) -> bool:
    """Tell whether JSON data is that of an example or a preset: a workflow, and what people call it."""
    return (
        isinstance(data, Mapping)
        and isinstance(data.get("title"), str)
        and isinstance(data.get("workflow"), Mapping)
    )


def refuse_preset(path: Path, data: Any, command: str) -> None:
    """Say how a preset is run, where a file is that of one.

    Args:
        path: The file.
        data: The JSON data that it holds.
        command: What to do with a preset's name, ``{}``.

    Raises:
        InputError: ``preset_file``.
    """
    if not is_titled(data) or "controls" not in data:
        return
    folders, name, title = Settings().preset_folders, path.stem.lower(), data["title"]
    known = all_presets(folders)[0].get(name)
    place = "" if known and known.title == title else f"Put the file into {folders[0]}, then: "
    raise InputError(
        f'{path.name} is a preset, "{title[:80]}"; presets go by their names',
        code="preset_file",
        hint=f"{place}{command.format(name)}",
    )


def _remembered(texts: Mapping[str, Any]) -> Source:
    """Read what a picture tells of how it was made."""
    extra = {"workflow": texts["workflow"]} if texts["workflow"] else {}
    given = texts["workflow"] if texts["prompt"] is None else texts["prompt"]
    return replace(_source(given), extra=extra, origin=texts["framebridge"] or {})


def _source(data: Any) -> Source:
    """Read JSON data, perhaps with a ``/prompt`` request around it."""
    given = data.get("prompt", data) if isinstance(data, Mapping) else data
    if isinstance(given, Mapping) and is_drawing(given):
        return Source(given, {"workflow": given})
    return Source(parse_workflow(data).to_json())


def _difference(message: str) -> Problem:
    return Problem(
        "not_the_same", message, "The pixels may differ from the saved picture's.", is_warning=True
    )
