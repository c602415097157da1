"""What a command is asked to run: a workflow or a preset, whose inputs can be set by name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bridge.builtin import Preset, expand, load_preset
from bridge.cli.request import Request
from bridge.cli.source import Source, read_source
from bridge.daemon import Settings, make_folders
from bridge.errors import InputError, Problem, WorkflowError
from bridge.graph import Definitions, Workflow, parse_workflow, read_settings, set_values
from bridge.prompts import prompt_inputs

PROMPT = "prompt"
"""The control of a preset that holds its prompt."""


class Asked(Protocol):
    """Something to run, with inputs that have names."""

    @property
    def extra(self) -> Mapping[str, Any]:
        """What is kept with its pictures."""

    def prompt_names(self) -> tuple[str, ...]:
        """Return the names of the inputs that take its prompt.

        Raises:
            InputError: ``no_prompt_input`` or ``several_prompts``.
        """

    def read(self, settings: Sequence[str]) -> dict[str, Any]:
        """Read ``name=value`` texts.

        Raises:
            WorkflowError: With every fault.
        """

    def workflow(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return its workflow, as API JSON, with values in place.

        Raises:
            WorkflowError: With every fault.
        """

    def label(self, name: str) -> str:
        """Return what people call an input, in a word or two."""


@dataclass(frozen=True)
class AskedWorkflow:
    """A workflow; inputs are called ``node.input``.

    Args:
        source: Where it comes from.
        definitions: The nodes that exist.
    """

    source: Source
    definitions: Definitions

    @property
    def extra(self) -> Mapping[str, Any]:
        """The editor's workflow, if it came with one."""
        return self.source.extra

    def prompt_names(self) -> tuple[str, ...]:
        """Return the text that reaches the sampler as what is wanted."""
        return prompt_inputs(self._parsed, self.definitions)

    def read(self, settings: Sequence[str]) -> dict[str, Any]:
        """Read ``3.seed=42``."""
        return read_settings(settings, self._parsed, self.definitions)

    def workflow(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the workflow with values in place."""
        return set_values(self._parsed, values, self.definitions).to_json()

    def label(self, name: str) -> str:
        """Return the input with its node's title, where that says more."""
        node = self._parsed.nodes.get(name.partition(".")[0])
        name = name.partition(".")[2] or name
        return f"{node.title} {name}" if node and node.title else name

    @property
    def _parsed(self) -> Workflow:
        return parse_workflow(self.source.workflow)


@dataclass(frozen=True)
class AskedPreset:
    """A preset; inputs are its controls."""

    preset: Preset
    extra: Mapping[str, Any] = field(default_factory=dict)

    def prompt_names(self) -> tuple[str, ...]:
        """Return the control ``prompt``."""
        if not any(control.name == PROMPT for control in self.preset.controls):
            raise InputError(
                f"the preset {self.preset.title} has no prompt",
                code="no_prompt_input",
                hint="Say which control takes the prompts: --prompt-input NAME.",
            )
        return (PROMPT,)

    def read(self, settings: Sequence[str]) -> dict[str, Any]:
        """Read ``steps=4``; a text, choice or model is taken as it stands."""
        kinds = {control.name: control.type for control in self.preset.controls}
        values: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                hint = "Write control=value: steps=4."
                raise WorkflowError([Problem("bad_set", f'"{setting[:80]}" sets nothing', hint)])
            values[name] = text if kinds.get(name) in ("text", "choice", "model") else _plain(text)
        return values

    def workflow(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the preset's workflow with values in place."""
        return expand(self.preset, values)

    def label(self, name: str) -> str:
        """Return the control's label."""
        return next((control.label for control in self.preset.controls if control.name == name), name)


def read_asked(path: Path | None, preset: str) -> Source | Preset:
    """Return what is to be run: exactly one of a workflow's file and a preset's name.

    Raises:
        InputError: ``nothing_to_run``, or why the workflow cannot be read.
        BridgeError: ``unknown_preset``.
    """
    if (path is None) == (not preset):
        raise InputError(
            "give a workflow or a preset"
            if path is None
            else "a workflow and a preset are given; one is wanted",
            code="no_workflow",
            hint="As in: framebridge run workflow.json, or framebridge run --preset stylize --frame F.npz.",
        )
    return load_preset(preset, Settings().preset_folders) if path is None else read_source(path)


def settings_of(request: Request) -> Settings:
    """Return where models, pictures and packs of nodes are, and where the models run."""
    return Settings(
        models=request.models,
        output=request.out,
        device=request.device,
        dtype=request.dtype,
        custom_nodes=request.custom_nodes,
    )


def make_places(found: Source | Preset, settings: Settings) -> None:
    """Make the folder of pictures, and for an example that of the picture it loads.

    Raises:
        BridgeError: ``bad_folder``.
    """
    is_example = isinstance(found, Source) and found.is_example
    names = ("input", "output") if is_example else ("output",)
    make_folders({name: settings.folders[name] for name in names})


def asked_from(found: Source | Preset, definitions: Definitions) -> Asked:
    """Return it with names for its inputs.

    Raises:
        WorkflowError: What is wrong with the editor's drawing.
    """
    if isinstance(found, Source):
        return AskedWorkflow(found.converted(definitions), definitions)
    return AskedPreset(found)


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
