"""What ``framebridge run`` is given: a workflow file, or a saved picture that remembers how it was made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.errors import InputError, Problem
from bridge.graph import parse_workflow
from bridge.imaging import FrameStore, load_frame, read_workflow
from bridge.protocol import Frame


@dataclass(frozen=True, slots=True)
class Source:
    """A workflow, and what is known about the picture it once made.

    Args:
        workflow: API JSON.
        extra: The editor's workflow, to keep with new pictures.
        origin: Version, frame digest, device, dtype, threads, torch and model hashes of a saved picture;
            empty for a workflow file.
    """

    workflow: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

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
    """Read a workflow from an API-format JSON file or a PNG.

    Raises:
        WorkflowError: What is wrong with the JSON.
        InputError: ``file_not_found``, or what is wrong with the picture.
    """
    if path.suffix.lower() == ".png":
        texts = read_workflow(path)
        if texts["prompt"] is None:
            raise InputError(
                f"picture {path.name!r} holds only an editor workflow",
                code="editor_workflow",
                hint="Open it in the ComfyUI editor and export it with Export (API).",
            )
        extra = {"workflow": texts["workflow"]} if texts["workflow"] else {}
        return Source(parse_workflow(texts["prompt"]).to_json(), extra, texts["framebridge"] or {})
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            code="file_not_found",
            hint="Give an API-format workflow, or a PNG that Framebridge or ComfyUI saved.",
        ) from error
    return Source(parse_workflow(content).to_json())


def _difference(message: str) -> Problem:
    return Problem(
        "not_the_same", message, "The pixels may differ from the saved picture's.", is_warning=True
    )
