"""Reading ComfyUI's API JSON: whatever the bytes are, the answer is a workflow or a ``WorkflowError``."""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bridge.errors import Problem, WorkflowError, sound
from bridge.graph.workflow import Workflow, WorkflowNode, read_input
from bridge.protocol import MAX_JSON_BYTES

MAX_NODES = 10_000
"""The most nodes a workflow may have."""

MAX_DEPTH = 64
"""How deep the values of a workflow may nest; the workflow itself is the first level."""

MAX_VALUES = 1_000_000
"""The most values in all; a guard against Python data that refers to itself again and again."""

MAX_TEXT_BYTES = 100_000
"""The longest text, in bytes of UTF-8; but what an input itself holds may be a file (``FileText``), so that
is as long as a message may be until ``validate`` knows the input."""

MAX_PROBLEMS = 1000
"""The most faults named at once; who sent more than that sent something else."""

MAX_NUMBER_BITS = 1000
"""The largest whole number; beyond it neither a float nor a decimal text is sure to hold it."""

OUTPUT_HINT = "Add a node that keeps or shows something: SaveImage, PreviewImage or SendToHost."


def parse_workflow(source: str | bytes | Mapping[str, Any]) -> Workflow:
    """Read a workflow in ComfyUI's API format, or the body of a ``/prompt`` request around it.

    Args:
        source: JSON text, its bytes in UTF-8, or the JSON data itself.

    Raises:
        WorkflowError: With every fault found: ``bad_json``, ``editor_workflow``, ``no_outputs``,
            ``duplicate_key``, ``too_complex``, ``bad_number``, ``bad_text``, ``too_long``,
            ``bad_workflow``, ``bad_node``, ``missing_class_type``.
    """
    data = _unwrap(read_json(source) if isinstance(source, str | bytes) else source)
    reader = _Reader()
    if len(data) > MAX_NODES:
        raise _error("too_complex", f"the workflow has {len(data):,} nodes; {MAX_NODES:,} is the most")
    nodes = [reader.node(node_id, node) for node_id, node in reader.entries(data)]
    if reader.problems:
        raise WorkflowError(reader.problems)
    return Workflow({node.id: node for node in nodes if node})


def read_json(source: str | bytes) -> Any:
    """Parse JSON text; what ``json`` itself lets pass ``parse_workflow`` judges, when the place is known.

    Raises:
        WorkflowError: ``bad_json``, ``too_complex``.
    """
    try:
        text = source if isinstance(source, str) else source.decode()
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_object, parse_int=_integer)
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"line {line}: byte {error.object[error.start]:#04x} is not UTF-8"
        raise _error("bad_json", message, "Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        message = f"line {error.lineno}, column {error.colno}: {_expectation(error.msg)}"
        hint = "A workflow is the JSON file that ComfyUI writes with Export (API)."
        raise _error("bad_json", message, hint) from error
    except RecursionError as error:
        raise _too_deep() from error


def clean_value(value: Any, node_id: str, input_name: str) -> Any:
    """Check one input value that did not come with a workflow, and turn it into a ``Link`` or literal.

    Raises:
        WorkflowError: As ``parse_workflow`` does for a value inside a workflow.
    """
    reader = _Reader(node_id, input_name)
    clean = reader.value(value)
    if reader.problems:
        raise WorkflowError(reader.problems)
    return read_input(clean)


class _Repeated(dict[str, Any]):
    """A JSON object in which ``key`` stood twice or more."""

    key = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) == len(pairs):
        return data
    keys = Counter(key for key, _ in pairs)
    repeated = _Repeated(data)
    repeated.key = keys.most_common(1)[0][0]
    return repeated


def _integer(digits: str) -> int | float:
    """Read a whole number; Python refuses to read very long ones, and we to keep them."""
    return int(digits) if len(digits) < MAX_NUMBER_BITS else math.inf


def _expectation(message: str) -> str:
    """Turn the JSON parser's words into what was expected."""
    if message == "Extra data":
        return "expected the end of the text"
    message = message.replace("Expecting", "Expected")
    return message[:1].lower() + message[1:]


def _unwrap(data: Any) -> Mapping[Any, Any]:
    """Return the mapping of nodes, or say why there is none."""
    inner = data.get("prompt") if isinstance(data, Mapping) else None
    if isinstance(inner, Mapping) and "class_type" not in inner:
        if isinstance(data, _Repeated) and data.key == "prompt":
            raise _error("duplicate_key", 'the key "prompt" stands twice in one object')
        data = inner
    if not isinstance(data, Mapping):
        raise _error("bad_workflow", f"a workflow is an object of nodes by id, not {_kind(data)}")
    if isinstance(data.get("nodes"), list | tuple) and "links" in data:
        message = "this is the editor's format, which holds the drawing but not what to run"
        raise _error("editor_workflow", message, 'Export it from ComfyUI with "Export (API)".')
    if not data:
        raise _error("no_outputs", "the workflow is empty", OUTPUT_HINT)
    return data


class _Reader:
    """Walks a workflow once, copies it as plain JSON data, and collects what is wrong with it."""

    def __init__(self, node_id: str = "", input_name: str = "") -> None:
        self.problems: list[Problem] = []
        self.node_id = node_id
        self.input_name = input_name
        self._values = 0

    def report(self, code: str, message: str, hint: str = "") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(code, message, hint, self.node_id, self.input_name))

    def node(self, node_id: str, data: Any) -> WorkflowNode | None:
        """Read one node; ``None`` if a fault leaves nothing to work with."""
        self.node_id, self.input_name = node_id, ""
        if not isinstance(data, Mapping):
            self.report("bad_node", f"a node is an object with a class_type and inputs, not {_kind(data)}")
            return None
        fields = {key: value for key, value in self.entries(data) if key in ("class_type", "_meta")}
        fields = {key: self.value(value, depth=3) for key, value in fields.items()}
        inputs = self.inputs(data.get("inputs"))
        class_type, meta = fields.get("class_type"), fields.get("_meta")
        if not isinstance(class_type, str) or not class_type:
            self.report("missing_class_type", "the class_type is missing", "Say which class the node is of.")
            return None
        title = meta.get("title") if isinstance(meta, dict) else None
        return WorkflowNode(node_id, class_type, inputs, title if isinstance(title, str) else "")

    def inputs(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self.report("bad_node", f"the inputs of a node are an object, not {_kind(data)}")
            return {}
        inputs = {}
        for name, value in self.entries(data):
            self.input_name = name
            inputs[name] = read_input(self.value(value, depth=4, longest=MAX_JSON_BYTES))
        self.input_name = ""
        return inputs

    def entries(self, data: Mapping[Any, Any]) -> Sequence[tuple[str, Any]]:
        """Return the entries of an object, its keys checked."""
        if isinstance(data, _Repeated):
            self.report("duplicate_key", f"the key {_shown(data.key)} stands twice in one object")
        strangers = [key for key in data if not isinstance(key, str)]
        if strangers:
            self.report("bad_workflow", f"a key is {_kind(strangers[0])}, not a text")
        return [(self.text(key), value) for key, value in data.items() if isinstance(key, str)]

    def value(self, value: Any, depth: int = 4, longest: int = MAX_TEXT_BYTES) -> Any:
        """Copy a value as plain JSON data.

        Args:
            value: Anything.
            depth: The level it stands on; the recursion ends at ``MAX_DEPTH``.
            longest: What it may be if it is a text, in bytes.
        """
        self._values += 1
        if depth > MAX_DEPTH:
            raise _too_deep(self.node_id, self.input_name)
        if self._values > MAX_VALUES:
            message = f"the workflow has more than {MAX_VALUES:,} values"
            raise _error("too_complex", message, node_id=self.node_id, input_name=self.input_name)
        if isinstance(value, str):
            return self.text(value, longest)
        if isinstance(value, Mapping):
            return {key: self.value(entry, depth + 1) for key, entry in self.entries(value)}
        if isinstance(value, list | tuple):
            return [self.value(entry, depth + 1) for entry in value]
        if isinstance(value, int | float):
            return self.number(value)
        if value is not None:
            self.report("bad_workflow", f"{_kind(value)} is not JSON data")
        return None

    def number(self, value: float) -> int | float:
        if isinstance(value, int) and value.bit_length() <= MAX_NUMBER_BITS:
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        what = "a number beyond all bounds" if isinstance(value, int) else f"{value}"
        self.report("bad_number", f"{what} is not a number that an input can hold", "Give a finite number.")
        return 0

    def text(self, value: str, longest: int = MAX_TEXT_BYTES) -> str:
        """Return the text; or report it, if a file, a terminal or a tokenizer would choke on it."""
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            self.report("bad_text", f"character {error.start + 1} of a text is half of a surrogate pair")
            return ""
        if size > longest:
            self.report("too_long", f"a text of {size // 1000:,} kB; {longest // 1000:,} kB is the most")
            return ""
        if "\0" in value:
            self.report("bad_text", f"character {value.index(chr(0)) + 1} of a text is NUL")
            return ""
        return value


def _error(
    code: str, message: str, hint: str = "", *, node_id: str = "", input_name: str = ""
) -> WorkflowError:
    return WorkflowError([Problem(code, message, hint, node_id, input_name)])


def _too_deep(node_id: str = "", input_name: str = "") -> WorkflowError:
    message = f"the values nest deeper than {MAX_DEPTH} levels"
    return _error("too_complex", message, node_id=node_id, input_name=input_name)


def _kind(value: Any) -> str:
    kinds = {str: "a text", bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    named = kinds.get(type(value), f"a {type(value).__name__}")
    return "a list" if isinstance(value, list | tuple) else named


def _shown(text: str) -> str:
    """Quote a text for a message, its middle left out where it is long."""
    short = text if len(text) <= 60 else f"{text[:40]}…{text[-10:]}"
    return json.dumps(sound(short), ensure_ascii=False)
