"""Cut an engine's API down to what some sources use, as typed stubs that mypy reads.

Rules:
1. Classes: those named as ``unreal.X``, their bases, and whatever their members lead to, if the members'
   names occur in the sources. A member is there exactly if the engine has it, so nothing is missed.
2. The stub's hints are stricter than the engine where it takes a ``str`` for a ``Name``, a list for an
   ``Array``, ``None`` for an object; parameters and setters say so here.
3. Where the engine may return ``None`` for an object although the hint does not say so, the type is
   ``X | Any``: members are checked, and comparing with ``None`` is not called unreachable.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from .facts import ClassFacts, Contract, Method, Parameter

HEAD = """\
import typing as _t
from types import TracebackType
from builtins import type as _type
_T = _t.TypeVar("_T")
_F = _t.TypeVar("_F")
_ElemType = _t.TypeVar("_ElemType")
_KeyType = _t.TypeVar("_KeyType")
_ValueType = _t.TypeVar("_ValueType")
"""

SPECIAL = {
    "get_editor_subsystem": "def get_editor_subsystem(subsystem: _type[_T]) -> _T | None: ...",
    "get_engine_subsystem": "def get_engine_subsystem(subsystem: _type[_T]) -> _T | None: ...",
    "new_object": (
        'def new_object(type: _type[_T], outer: Object | None = ..., name: Name | str = "", '
        "base_type: Object | None = ...) -> _T: ..."
    ),
    "get_default_object": "def get_default_object(type: _type[_T]) -> _T: ...",
    "uclass": "def uclass() -> _t.Callable[[_type[_T]], _type[_T]]: ...",
    "ustruct": "def ustruct() -> _t.Callable[[_type[_T]], _type[_T]]: ...",
    "uenum": "def uenum() -> _t.Callable[[_type[_T]], _type[_T]]: ...",
    "uvalue": "def uvalue(val: int, meta: _t.Mapping[str, str] | None = ...) -> _t.Any: ...",
    "uproperty": (
        "def uproperty(type: object, meta: _t.Mapping[str, str] | None = ..., "
        "getter: str | None = ..., setter: str | None = ...) -> _t.Any: ..."
    ),
    "ufunction": (
        "def ufunction(meta: _t.Mapping[str, str] | None = ..., ret: object = ..., "
        "params: _t.Sequence[object] | None = ..., override: bool | None = ..., static: bool | None = ..., "
        "pure: bool | None = ..., getter: bool | None = ..., setter: bool | None = ...) "
        "-> _t.Callable[[_F], _F]: ..."
    ),
}

ALWAYS = {"Object", "Name", "Text", "Class", "Array", "EnumBase", "StructBase", "MulticastDelegateBase"}
BUILTIN = {"int", "float", "str", "bool", "bytes", "object", "None", "tuple", "list", "dict"}
VARIABLES = {"_T", "_ElemType", "_KeyType", "_ValueType", "TracebackType", "BaseException"}
CONTAINERS = {"Array", "FixedArray", "Map", "Set"}
ABSTRACT = (
    "__len__(self) -> int",
    "__delitem__(self, key: _t.Any) -> None",
    "__iter__(self) -> _t.Iterator[_ElemType]",
)
ABSTRACT_SET = ("__len__(self) -> int", "__contains__(self, x: object) -> bool", ABSTRACT[2])
FROM_LISTS = {"Vector", "Vector2D", "Vector4", "LinearColor", "IntPoint"}
TYPING = {
    *("Any", "Optional", "Union", "Callable", "Iterable", "Iterator", "Sequence", "Mapping", "Tuple", "List"),
    *(
        "Type",
        "Dict",
        "ItemsView",
        "KeysView",
        "ValuesView",
        "MutableSequence",
        "MutableSet",
        "MutableMapping",
    ),
}


def used_names(sources: Iterable[Path]) -> tuple[set[str], set[str]]:
    """Return what follows ``unreal.`` in sources, and all that might name a member there."""
    used: set[str] = set()
    members: set[str] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            match node:
                case ast.Attribute(value=ast.Name(id="unreal"), attr=name):
                    used.add(name)
                case ast.Attribute(attr=name) | ast.FunctionDef(name=name) | ast.keyword(arg=str(name)):
                    members.add(name)
                case ast.Constant(value=str(name)) if name.isidentifier():
                    members.add(name)
    return used, members


def cut(contract: Contract, used: set[str], members: set[str]) -> tuple[str, set[str]]:
    """Return typed stubs of what is used, and the names that this engine does not have."""
    cutter = _Cutter(contract, members)
    missing = cutter.collect(used)
    return cutter.text(used), missing


def reached(contract: Contract, used: set[str], members: set[str]) -> set[str]:
    """Return the classes and functions that stubs for these names would hold."""
    cutter = _Cutter(contract, members)
    cutter.collect(used)
    return set(cutter.classes) | {name for name in used if contract.function(name)}


class _Cutter:
    def __init__(self, contract: Contract, members: set[str]) -> None:
        self.contract, self.members = contract, members
        self.classes: dict[str, ClassFacts] = {}

    def collect(self, used: set[str]) -> set[str]:
        """Find all classes; returns the names that there are not."""
        known = set(self.contract.names())
        waiting = [*sorted(used | ALWAYS)]
        for name in used & known:
            if (function := self.contract.function(name)) and name not in SPECIAL:
                waiting.extend(_names_in(*(one.type for one in function.parameters), function.returns))
        while waiting:
            name = waiting.pop()
            facts = None if name in self.classes else self.contract.klass(name)
            if facts:
                facts = facts if name in CONTAINERS else facts.only(self.members)
                self.classes[name] = facts
                waiting.extend(_leads_to(facts))
        return used - known

    def text(self, used: set[str]) -> str:
        parts = [HEAD]
        for name in sorted(used):
            if function := self.contract.function(name):
                parts.append(SPECIAL.get(name) or self._function(name, function, ""))
        parts.extend(self._class(facts) for facts in self._in_order())
        return "\n".join(parts) + "\n"

    def _in_order(self) -> Iterator[ClassFacts]:
        """Yield bases before what is derived from them."""
        done: set[str] = set()

        def visit(facts: ClassFacts) -> Iterator[ClassFacts]:
            if facts.name not in done:
                done.add(facts.name)
                for base in facts.bases:
                    if base in self.classes:
                        yield from visit(self.classes[base])
                yield facts

        for name in sorted(self.classes):
            yield from visit(self.classes[name])

    def _class(self, facts: ClassFacts) -> str:
        bases = [self._type(base) for base in facts.bases]
        lines = [f"class {facts.name}({', '.join(base for base in bases if base != '_t.Any')}):"]
        lines += [f"    {entry}: _t.ClassVar[{facts.name}]" for entry in facts.entries]
        for name, one in facts.properties.items():
            lines += ["    @property", f"    def {name}(self) -> {self._result(one.type)}: ..."]
            if not one.is_read_only:
                kind = self._accepted(one.type, is_optional=False)
                lines += [f"    @{name}.setter", f"    def {name}(self, value: {kind}) -> None: ..."]
        for name, method in facts.methods.items():
            lines.append(self._function(name, method, "    "))
        if facts.name in CONTAINERS:
            lines += [f"    def {one}: ..." for one in (ABSTRACT_SET if facts.name == "Set" else ABSTRACT)]
        return "\n".join(lines if len(lines) > 1 else [*lines, "    ..."])

    def _function(self, name: str, method: Method, indent: str) -> str:
        first = [("cls" if method.is_class else "self")] if indent else []
        parts = [*first, *(self._parameter(one) for one in method.parameters)]
        returns = self._result(method.returns) if method.returns else "_t.Any"
        if name == "get_editor_property":
            returns = "_t.Any"
        marks = f"{indent}@classmethod\n" if method.is_class and indent else ""
        if name == "__init__" and method.parameters and method.parameters[0].name == "type":
            parts[1] = "type: _type[_ElemType]"
        if name == "get_default_object" or (name == "cast" and "_T" in method.returns):
            parts[0], returns = "cls: _type[_T]", "_T"
        return f"{marks}{indent}def {name}({', '.join(parts)}) -> {returns}: ..."

    def _parameter(self, one: Parameter) -> str:
        if one.kind:
            return f"{one.kind}{one.name}: _t.Any"
        kind = self._accepted(one.type, is_optional=one.is_optional and one.default is None)
        return f"{one.name}: {kind}" + (" = ..." if one.is_optional else "")

    def _accepted(self, kind: str, is_optional: bool) -> str:
        """Return the type of something that the engine takes."""
        plain = self._type(kind)
        if kind in {"Name", "Text"}:
            plain = f"{plain} | str"
        elif kind == "Class":
            plain = "Class | _type[_t.Any]"
        elif kind in FROM_LISTS:
            plain = f"{plain} | _t.Sequence[float]"
        elif kind.startswith("Array["):
            plain = f"{plain} | _t.Sequence[{self._accepted(kind[6:-1], False)}]"
        elif kind.startswith("Map["):
            plain = f"{plain} | _t.Mapping[_t.Any, _t.Any]"
        takes_none = is_optional or (self._is_object(kind) and kind != "Class")
        return f"{plain} | None" if takes_none else plain

    def _result(self, kind: str) -> str:
        plain = self._type(kind)
        return f"{plain} | _t.Any" if self._is_object(kind) else plain

    def _is_object(self, kind: str) -> bool:
        facts = self.contract.klass(kind) if kind.isidentifier() else None
        while facts and facts.bases:
            if facts.name == "Object":
                return True
            facts = self.contract.klass(facts.bases[0])
        return False

    def _type(self, kind: str) -> str:
        return ast.unparse(self._known(ast.parse(kind, mode="eval").body)) if kind else "_t.Any"

    def _known(self, node: ast.expr) -> ast.expr:
        """Return a type in which every name means something here."""
        match node:
            case ast.Name(id=name):
                if name in self.classes or name in BUILTIN or name in VARIABLES:
                    return node
                if name == "type":
                    return ast.Name("_type")
                if name in TYPING:
                    return ast.Attribute(ast.Name("_t"), name)
                return ast.Attribute(ast.Name("_t"), "Any")
            case ast.Subscript(value=value, slice=inner):
                outer = self._known(value)
                if ast.unparse(outer) == "_t.Any":
                    return outer
                return ast.Subscript(outer, self._known(inner))
            case ast.Tuple(elts=parts):
                return ast.Tuple([self._known(part) for part in parts])
            case ast.List(elts=parts):
                return ast.List([self._known(part) for part in parts])
            case ast.Constant(value=str(text)):
                return self._known(ast.parse(text, mode="eval").body)
            case ast.BinOp(left=left, op=op, right=right):
                return ast.BinOp(self._known(left), op, self._known(right))
        return node


def _leads_to(facts: ClassFacts) -> Iterator[str]:
    yield from _names_in(*facts.bases, *(one.type for one in facts.properties.values()))
    for method in facts.methods.values():
        yield from _names_in(*(one.type for one in method.parameters), method.returns)


def _names_in(*kinds: str) -> Iterator[str]:
    for kind in kinds:
        if kind:
            yield from (
                node.id for node in ast.walk(ast.parse(kind, mode="eval")) if isinstance(node, ast.Name)
            )
