"""Which models a workflow lacks, and where to get them.

A source is known for models of the curated list, and for those of which the workflow itself tells: ComfyUI's
templates keep in ``properties.models`` of the nodes, or in ``models`` of the whole, a list of objects with
``name``, ``url``, ``directory`` and, at times, ``hash`` with ``hash_type``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bridge.graph import Definitions
from bridge.models.catalogue import ALIASES, FOLDERS, Catalogue
from bridge.models.curated import curated_model
from bridge.models.notes import digest_in, line_of

MOST_NODES = 20_000
_ENDINGS = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
"""How values of the editor's widgets end that name models."""


@dataclass(frozen=True, slots=True)
class LackingModel:
    """A model that a workflow names and that is not here.

    Args:
        folder: Its kind.
        name: As the workflow names it.
        node_id: Who asks for it; the first of several.
        input: Of that node.
        source: What ``framebridge models pull`` takes to get it; empty where nothing is known.
        title: For people, of the curated list.
        bytes: Its size, as published; 0 where it is not known.
        licence: Of the curated list.
        sha256: As published.
    """

    folder: str
    name: str
    node_id: str = ""
    input: str = ""
    source: str = ""
    title: str = ""
    bytes: int = 0
    licence: str = ""
    sha256: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields that say something, as JSON data."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class Pointer:
    """Where a workflow says that a model comes from."""

    folder: str
    name: str
    url: str
    sha256: str


def lacking_models(
    workflow: Mapping[str, Any],
    definitions: Definitions,
    catalogue: Catalogue,
    editor: Mapping[str, Any] | None = None,
) -> tuple[LackingModel, ...]:
    """Return the models that a workflow names and that are not installed, in the order of its nodes.

    Args:
        workflow: API JSON; may be empty where only the editor's is at hand.
        definitions: Say which inputs name models, and of which kind.
        catalogue: What is installed.
        editor: The same workflow as ComfyUI's editor keeps it, which may say where models come from.
    """
    pointers = {(each.folder, each.name): each for each in _pointers(editor or {})}
    named = list(_named(workflow, definitions)) or list(_named_in_editor(editor or {}, definitions))
    named += [(each.folder, each.name, "", "") for each in pointers.values()] if not workflow else []
    names: dict[str, frozenset[str]] = {}
    found: dict[tuple[str, str], LackingModel] = {}
    for folder, name, node_id, entry in named:
        there = names.setdefault(folder, frozenset(catalogue.names(folder)))
        if name not in there and (folder, name) not in found:
            found[folder, name] = _lacking(folder, name, node_id, entry, pointers.get((folder, name)))
    return tuple(found.values())


def _lacking(folder: str, name: str, node_id: str, entry: str, pointer: Pointer | None) -> LackingModel:
    known = curated_model(folder, name)
    if known is not None:
        return LackingModel(
            folder, name, node_id, entry, known.id, known.title, known.bytes, known.licence, known.sha256
        )
    if pointer is not None:
        return LackingModel(folder, name, node_id, entry, pointer.url, sha256=pointer.sha256)
    return LackingModel(folder, name, node_id, entry)


def _named(workflow: Mapping[str, Any], definitions: Definitions) -> Iterator[tuple[str, str, str, str]]:
    for node_id in _needed(workflow, definitions):
        node = workflow[node_id]
        definition = definitions.get(node.get("class_type", ""))
        for entry in definition.inputs if definition else ():
            folder = ALIASES.get(entry.choices_from, entry.choices_from)
            name = node.get("inputs", {}).get(entry.name)
            if isinstance(name, str) and folder in FOLDERS:
                yield folder, name, node_id, entry.name


def _needed(workflow: Mapping[str, Any], definitions: Definitions) -> list[str]:
    """Return the nodes that an output needs, in their order; all of them where no node is an output."""
    kinds = {node_id: definitions.get(node.get("class_type", "")) for node_id, node in workflow.items()}
    waiting = [node_id for node_id, kind in kinds.items() if kind and kind.is_output]
    needed = set(waiting) or set(workflow)
    while waiting:
        for value in workflow[waiting.pop()].get("inputs", {}).values():
            source = value[0] if isinstance(value, list) and value else None
            if isinstance(source, str) and source in workflow and source not in needed:
                needed.add(source)
                waiting.append(source)
    return [node_id for node_id in workflow if node_id in needed]


def _named_in_editor(
    editor: Mapping[str, Any], definitions: Definitions
) -> Iterator[tuple[str, str, str, str]]:
    """Take a node's widgets that look like files for its inputs that name models, in their order."""
    for node in _editor_nodes(editor):
        definition = definitions.get(str(node.get("type", "")))
        inputs = [
            (ALIASES.get(entry.choices_from, entry.choices_from), entry.name)
            for entry in (definition.inputs if definition else ())
            if ALIASES.get(entry.choices_from, entry.choices_from) in FOLDERS
        ]
        widgets = node.get("widgets_values")
        files = [
            value
            for value in (widgets if isinstance(widgets, list) else ())
            if isinstance(value, str) and value.lower().endswith(_ENDINGS)
        ]
        for (folder, entry), name in zip(inputs, files, strict=False):
            yield folder, name, str(node.get("id", "")), entry


def _pointers(editor: Mapping[str, Any]) -> Iterator[Pointer]:
    listed = [editor.get("models")]
    for node in _editor_nodes(editor):
        properties = node.get("properties")
        listed.append(properties.get("models") if isinstance(properties, Mapping) else None)
    for models in listed:
        for model in models if isinstance(models, list) else ():
            match model:
                case {"name": str(name), "url": str(url), "directory": str(folder)}:
                    kind = ALIASES.get(folder, folder)
                    if kind in FOLDERS and url.startswith("https://"):
                        is_sha = str(model.get("hash_type", "SHA256")).upper() == "SHA256"
                        digest = digest_in(model.get("hash")) if is_sha else ""
                        yield Pointer(kind, line_of(name), line_of(url, 2000), digest)


def _editor_nodes(editor: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the nodes of an editor's workflow, those in its subgraphs after its own."""
    definitions = editor.get("definitions")
    subgraphs = definitions.get("subgraphs") if isinstance(definitions, Mapping) else ()
    for graph in (editor, *(subgraphs if isinstance(subgraphs, list) else ())):
        nodes = graph.get("nodes") if isinstance(graph, Mapping) else None
        for node in (nodes if isinstance(nodes, list) else ())[:MOST_NODES]:
            if isinstance(node, Mapping):
                yield node
