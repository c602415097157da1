"""What the engine's Python API has, as bare facts: classes, members, parameters, types. No text of Epic's.

A ``Contract`` answers for one engine. It is read from a stub, class by class as they are asked for, or from
``contract.json``, which holds no more than the plugin and the tests use.
"""

import ast
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

HERE = Path(__file__).parent
MRQ = HERE / "contract_mrq.pyi"
OTHER = HERE / "contract.json"

_TOP = re.compile(r"^(?:class|def) (\w+)", re.MULTILINE)
_END = re.compile(r"^[^\s#)]", re.MULTILINE)
_EDITOR_PROPERTY = re.compile(r"- ``(\w+)`` \((.*?)\):\s+\[(Read-Write|Read-Only|Write-Only)\]")
_TOO_LONG = re.compile(r"^    def __init__\(self.*?\) -> None:\n        \.\.\.\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Parameter:
    """One parameter; ``kind`` is ``""``, ``*`` or ``**``, ``default`` a literal where the stub has one."""

    name: str
    type: str = ""
    kind: str = ""
    is_optional: bool = False
    default: Any = None


@dataclass(frozen=True)
class Method:
    """A method or function; ``self`` and ``cls`` are left out."""

    parameters: tuple[Parameter, ...] = ()
    returns: str = ""
    is_class: bool = False


@dataclass(frozen=True)
class Property:
    """A property of an object or struct."""

    type: str
    is_read_only: bool


@dataclass(frozen=True)
class ClassFacts:
    """A class, without what it inherits."""

    name: str
    bases: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    editor_properties: Mapping[str, Property] = field(default_factory=dict)

    def only(self, names: set[str]) -> "ClassFacts":
        """Return it with no more members than these; what makes instances and entries stays."""
        return replace(
            self,
            properties={name: one for name, one in self.properties.items() if name in names},
            methods={name: one for name, one in self.methods.items() if name in names or name[:2] == "__"},
            editor_properties={name: one for name, one in self.editor_properties.items() if name in names},
        )


class Contract(Protocol):
    """What one engine has."""

    engine: str

    def names(self) -> Iterable[str]:
        """Return the names of all classes and functions."""

    def klass(self, name: str) -> ClassFacts | None:
        """Return a class."""

    def function(self, name: str) -> Method | None:
        """Return a function of the module."""


class Stub:
    """A contract that is read from the engine's stub, with Movie Render Queue from ours."""

    def __init__(self, path: Path, engine: str, mrq: Path | None = MRQ) -> None:
        self.engine = engine
        self.text = path.read_text(encoding="utf-8-sig")
        if mrq:
            self.text += "\n" + mrq.read_text(encoding="utf-8")
        self._classes: dict[str, ClassFacts | None] = {}

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for found in _TOP.finditer(self.text):
            places.setdefault(found[1], found.start())
        return places

    def names(self) -> Iterable[str]:
        return self._places.keys()

    def klass(self, name: str) -> ClassFacts | None:
        if name not in self._classes:
            node = self._node(name)
            facts = _class_facts(node) if isinstance(node, ast.ClassDef) else None
            self._classes[name] = self._qualified(facts) if facts else None
        return self._classes[name]

    def function(self, name: str) -> Method | None:
        node = self._node(name)
        return _method(node, is_bound=False) if isinstance(node, ast.FunctionDef) else None

    def _qualified(self, facts: ClassFacts) -> ClassFacts:
        """Name the delegates of a class in full: the stub's hints leave the class out."""

        def full(one: Property) -> Property:
            name = f"{facts.name}_{one.type}"
            is_short = one.type not in self._places and name in self._places
            return replace(one, type=name) if is_short else one

        return replace(facts, properties={name: full(one) for name, one in facts.properties.items()})

    def _node(self, name: str) -> ast.stmt | None:
        start = self._places.get(name)
        if start is None:
            return None
        end = _END.search(self.text, start + 1)
        chunk = self.text[start : end.start() if end else None]
        try:
            return ast.parse(chunk).body[0]
        except SyntaxError:  # 5.6.0: the default values of ToolBarStyle
            return ast.parse(_TOO_LONG.sub("", chunk)).body[0]


class Written:
    """A contract from ``contract.json``: no more than was in use when it was written."""

    def __init__(self, path: Path = OTHER) -> None:
        data = json.loads(path.read_text(encoding="utf-8"))
        self.engine = data["engine"]
        self._classes = {name: _class_from(name, facts) for name, facts in data["classes"].items()}
        self._functions = {name: _method_from(facts) for name, facts in data["functions"].items()}

    def names(self) -> Iterable[str]:
        return [*self._classes, *self._functions]

    def klass(self, name: str) -> ClassFacts | None:
        return self._classes.get(name)

    def function(self, name: str) -> Method | None:
        return self._functions.get(name)


def write(contract: Contract, names: Iterable[str], members: set[str], path: Path = OTHER) -> None:
    """Write what these classes and functions have under these names."""
    classes, functions = {}, {}
    for name in sorted(names):
        if facts := contract.klass(name):
            classes[name] = _trimmed(asdict(facts.only(members)))
        elif function := contract.function(name):
            functions[name] = _trimmed(asdict(function))
    parts = {"classes": classes, "functions": functions}
    texts = [f'"engine": {json.dumps(contract.engine)}']
    for part, found in parts.items():
        lines = [f"{json.dumps(name)}: {json.dumps(facts, sort_keys=True)}" for name, facts in found.items()]
        texts.append(f'"{part}": {{\n' + ",\n".join(lines) + "\n}")
    path.write_text("{\n" + ",\n".join(texts) + "\n}\n", encoding="utf-8")


def _class_facts(node: ast.ClassDef) -> ClassFacts:
    entries: list[str] = []
    types: dict[str, str] = {}
    writable: set[str] = set()
    methods: dict[str, Method] = {}
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            entries.append(part.target.id)
        elif isinstance(part, ast.FunctionDef):
            marks = [ast.unparse(mark) for mark in part.decorator_list]
            if "property" in marks:
                types[part.name] = ast.unparse(part.returns) if part.returns else ""
            elif any(mark.endswith(".setter") for mark in marks):
                writable.add(part.name)
            else:
                methods[part.name] = _method(part, is_bound="staticmethod" not in marks)
    return ClassFacts(
        node.name,
        tuple(ast.unparse(base) for base in node.bases),
        tuple(entries),
        {name: Property(kind, name not in writable) for name, kind in types.items() if name[:2] != "__"},
        methods,
        {
            name: Property(kind, access == "Read-Only")
            for name, kind, access in _EDITOR_PROPERTY.findall(ast.get_docstring(node) or "")
        },
    )


def _method(node: ast.FunctionDef, is_bound: bool) -> Method:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    parameters = [
        _parameter(argument, default)
        for argument, default in list(zip(positional, defaults, strict=True))[int(is_bound) :]
    ]
    if arguments.vararg:
        parameters.append(Parameter(arguments.vararg.arg, kind="*"))
    if arguments.kwarg:
        parameters.append(Parameter(arguments.kwarg.arg, kind="**"))
    marks = [ast.unparse(mark) for mark in node.decorator_list]
    return Method(
        tuple(parameters), ast.unparse(node.returns) if node.returns else "", "classmethod" in marks
    )


def _parameter(argument: ast.arg, default: ast.expr | None) -> Parameter:
    kind = ast.unparse(argument.annotation) if argument.annotation else ""
    return Parameter(argument.arg, kind, is_optional=default is not None, default=_literal(default))


def _literal(default: ast.expr | None) -> Any:
    """Return what a default says: a number, text, a list of them, or an enum's entry as ``Enum.ENTRY``."""
    if isinstance(default, ast.List | ast.Tuple):
        return [_literal(part) for part in default.elts]
    if isinstance(default, ast.Attribute):
        return ast.unparse(default)
    try:
        value = ast.literal_eval(default) if default is not None else None
    except ValueError:
        return None
    return value if isinstance(value, bool | int | float | str) else None


def _trimmed(data: Any) -> Any:
    """Leave out what is as a dataclass has it anyway."""
    if isinstance(data, dict):
        return {name: _trimmed(value) for name, value in data.items() if not _is_usual(name, value)}
    return [_trimmed(part) for part in data] if isinstance(data, list | tuple) else data


def _is_usual(name: str, value: Any) -> bool:
    return value is None or (name != "default" and value in ("", False, (), {}))


def _class_from(name: str, data: dict[str, Any]) -> ClassFacts:
    def properties(kind: str) -> dict[str, Property]:
        return {
            name: Property(one.get("type", ""), one.get("is_read_only", False))
            for name, one in data.get(kind, {}).items()
        }

    return ClassFacts(
        name,
        tuple(data.get("bases", ())),
        tuple(data.get("entries", ())),
        properties("properties"),
        {name: _method_from(one) for name, one in data.get("methods", {}).items()},
        properties("editor_properties"),
    )


def _method_from(data: dict[str, Any]) -> Method:
    parameters = tuple(Parameter(**one) for one in data.get("parameters", ()))
    return Method(parameters, data.get("returns", ""), data.get("is_class", False))
