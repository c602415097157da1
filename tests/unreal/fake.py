"""A strict ``unreal`` made from the facts of one engine: what the engine refuses, it refuses.

Rules:
1. A name, member, entry or editor property that the engine does not have raises.
2. Every call is bound to the engine's signature, and every argument and property converted to its type.
   ``str`` for an enum, a float for an int, an object of another class: ``TypeError``.
3. What a call does, a script says (``scripts``); without one it raises ``NotScripted``.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from .conversion import Conversion
from .facts import ClassFacts, Contract, Method, Parameter, Stub, Written
from .fake_objects import FakeEnum, FakeObject, FakeStruct, Member
from .fake_values import Array, Delegate, Map, Name, Set, Text
from .scripts import Scripts
from .stubs import NEWEST, Unavailable, ensure_stub

ROOTS: dict[str, type] = {
    "_WrapperBase": object,
    "_ObjectBase": FakeObject,
    "StructBase": FakeStruct,
    "EnumBase": FakeEnum,
    "DelegateBase": Delegate,
    "MulticastDelegateBase": Delegate,
}
VALUES: dict[str, type] = {
    "Name": Name,
    "Text": Text,
    "Array": Array,
    "FixedArray": Array,
    "Map": Map,
    "Set": Set,
}
NATIVE = {
    *("cast", "copy", "assign", "to_tuple", "get_editor_property", "set_editor_property", "modify"),
    *("set_editor_properties", "__copy__", "__eq__", "__ne__", "__init__", "_post_init", "__hash__"),
    *(name for name in dir(FakeObject) if not name.startswith("__")),
}
"""Members that ``fake_objects`` has itself."""


class ContractMissing(UserWarning):
    """The engine's own description could not be had; a smaller one, written down before, is used."""


def contract(engine: str = NEWEST) -> Contract:
    """Return what an engine has; if that cannot be fetched, what was written down, with a loud warning."""
    try:
        return Stub(ensure_stub(engine), engine)
    except Unavailable as reason:
        written = Written()
        warnings.warn(
            f"NO STUB of Unreal {engine}: {reason}. The fake knows only what {written.engine} had of what "
            "the plugin used when contract.json was written.",
            ContractMissing,
            stacklevel=2,
        )
        return written


class FakeUnreal(ModuleType):
    """The module; see the rules above."""

    def __init__(self, known: Contract, scripts: Scripts | None = None) -> None:
        super().__init__("unreal")
        self.__spec__ = importlib.util.spec_from_loader("unreal", loader=None)
        self.scripts = scripts or Scripts()
        self._contract = known
        self._absent: set[str] = set()
        self._conversion = Conversion(self)
        self._signatures: dict[str, inspect.Signature] = {}
        self._defaults: dict[type, Any] = {}
        self._class_objects: dict[type, Any] = {}
        for name, value in VALUES.items():
            setattr(self, name, value)
        for name, value in _module_functions(self).items():
            setattr(self, name, value)

    def remove(self, *names: str) -> None:
        """Be an engine without these, as one whose plugin is off."""
        for name in names:
            self._absent.add(name)
            self.__dict__.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        found = None
        if not name.startswith("__") and name not in self._absent:
            if facts := self._contract.klass(name):
                found = self._class(facts)
            elif function := self._contract.function(name):
                found = self._function(name, function)
        if found is None:
            raise AttributeError(f"module 'unreal' has no attribute '{name}'")
        setattr(self, name, found)
        return found

    def has(self, name: str) -> bool:
        """Tell whether the engine has a class or function."""
        return name not in self._absent and (
            self._contract.klass(name) is not None or self._contract.function(name) is not None
        )

    def convert(self, kind: str, value: Any, where: str) -> Any:
        """Return a value as one of the engine's type.

        Raises:
            TypeError: If the engine would refuse it.
        """
        return self._conversion.converter(kind)(value, where)

    def zero(self, kind: str) -> Any:
        """Return what a property of a type has until it is set."""
        return self._conversion.zero(kind)

    def bound(self, name: str, owner: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """Bind the arguments of a struct's constructor to its fields, converted."""
        method = _constructor(owner)
        if method is None:
            fields = {one: Parameter(one, _member(owner, one)) for one in kwargs}
            if args:
                raise TypeError(f"{name}() takes keyword arguments only")
            return {one: self.convert(fields[one].type, value, name) for one, value in kwargs.items()}
        return self._converted(name, method, args, kwargs)

    def default_object(self, kind: type) -> Any:
        """Return the object that has a class's default values."""
        if kind not in self._defaults:
            self._defaults[kind] = kind(name=f"Default__{kind.__name__}")
        return self._defaults[kind]

    def class_object(self, kind: type) -> Any:
        """Return the engine's object for a class."""
        if kind not in self._class_objects:
            found = self.Class(name=kind.__name__)
            object.__setattr__(found, "_kind", kind)
            self._class_objects[kind] = found
        return self._class_objects[kind]

    def _class(self, facts: ClassFacts) -> type:
        bases = tuple(self._base(base) for base in facts.bases if base != "object") or (object,)
        body: dict[str, Any] = {"_unreal": self, "__module__": "unreal"}
        if facts.name in ROOTS:
            bases = (ROOTS[facts.name], *(base for base in bases if base is not object))
        elif facts.name in ("ScopedSlowTask", "ScopedEditorTransaction"):
            return _scopes(self)[facts.name]
        else:
            body |= self._members(facts)
        made = type(facts.name, bases, body)
        if issubclass(made, FakeEnum):
            for number, entry in enumerate(facts.entries):
                type.__setattr__(made, entry, made._entry(entry, number))
        return made

    def _base(self, name: str) -> type:
        found = getattr(self, name.split("[")[0])
        assert isinstance(found, type)
        return found

    def _members(self, facts: ClassFacts) -> dict[str, Any]:
        kinds = {name: (one.type, one.is_read_only) for name, one in facts.properties.items()}
        edited = {
            name: (kinds[name][0] if name in kinds else one.type, one.is_read_only)
            for name, one in facts.editor_properties.items()
        }
        constructor = facts.methods.get("__init__")
        body: dict[str, Any] = {
            name: Member(name, kind, is_read_only) for name, (kind, is_read_only) in kinds.items()
        }
        body["_members"] = kinds | edited
        body["_constructor"] = constructor
        body["_fields"] = tuple(name for name in kinds if name in facts.editor_properties) or tuple(kinds)
        for name, method in facts.methods.items():
            if name not in NATIVE:
                body[name] = self._bound_method(f"{facts.name}.{name}", name, method)
        return body

    def _bound_method(self, full_name: str, name: str, method: Method) -> Any:
        def call(target: Any, *args: Any, **kwargs: Any) -> Any:
            owner = target if isinstance(target, type) else type(target)
            if isinstance(target, FakeObject):
                target._require()
            given = self._converted(full_name, method, args, kwargs)
            script = self.scripts.find(owner, name)
            subject = None if method.is_class else target
            return self.scripts.run(full_name, script, subject, list(given.values()))

        call.__name__ = name
        call.__qualname__ = full_name
        return classmethod(call) if method.is_class else call

    def _function(self, name: str, method: Method) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            given = self._converted(name, method, args, kwargs)
            return self.scripts.run(name, None, None, list(given.values()))

        call.__name__ = name
        return call

    def _converted(
        self, name: str, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Bind arguments to a signature, fill in its defaults, and convert them all."""
        if name not in self._signatures:
            self._signatures[name] = _signature(method)
        try:
            bound = self._signatures[name].bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{name}() {error}") from None
        result: dict[str, Any] = {}
        for one in method.parameters:
            if one.kind:
                continue
            if one.name in bound:
                result[one.name] = self.convert(one.type, bound[one.name], f"{name}() argument '{one.name}'")
            else:
                result[one.name] = self._conversion.default(one)
        return result


def _member(owner: Any, name: str) -> str:
    return str(owner._member(name)[0])


def _signature(method: Method) -> inspect.Signature:
    kinds = {
        "": inspect.Parameter.POSITIONAL_OR_KEYWORD,
        "*": inspect.Parameter.VAR_POSITIONAL,
        "**": inspect.Parameter.VAR_KEYWORD,
    }
    return inspect.Signature(
        [
            inspect.Parameter(one.name, kinds[one.kind], default=None)
            if one.is_optional
            else inspect.Parameter(one.name, kinds[one.kind])
            for one in method.parameters
        ]
    )


def _constructor(owner: type) -> Method | None:
    for base in owner.__mro__:
        if found := base.__dict__.get("_constructor"):
            return found  # type: ignore[no-any-return]
    return None


def _module_functions(unreal: FakeUnreal) -> dict[str, Any]:
    """Return what the module does without a world: the log, callbacks, classes made in Python."""
    scripts = unreal.scripts

    def logged(level: str) -> Callable[[Any], None]:
        return lambda arg: scripts.log.append((level, str(arg)))

    def register(where: dict[object, Any]) -> Callable[[Callable[..., Any]], object]:
        def add(callable: Callable[..., Any]) -> object:
            handle = object()
            where[handle] = callable
            return handle

        return add

    def unregister(where: dict[object, Any]) -> Callable[[object], None]:
        return lambda handle: where.pop(handle, None)

    def new_object(type: Any, outer: Any = None, name: Any = "", base_type: Any = None) -> Any:
        kind = unreal.convert("Class", type, "new_object() argument 'type'")
        unreal.convert("Object", outer, "new_object() argument 'outer'")
        return kind(outer, str(name) or "None")

    def get_default_object(type: Any) -> Any:
        return unreal.default_object(unreal.convert("Class", type, "get_default_object()"))

    return {
        "log": logged("log"),
        "log_warning": logged("warning"),
        "log_error": logged("error"),
        "log_flush": lambda: None,
        "is_editor": lambda: True,
        "collect_garbage": lambda: None,
        "purge_object_references": lambda obj, include_inners=True: None,
        "register_slate_post_tick_callback": register(scripts.ticks),
        "unregister_slate_post_tick_callback": unregister(scripts.ticks),
        "register_slate_pre_tick_callback": register(scripts.ticks),
        "unregister_slate_pre_tick_callback": unregister(scripts.ticks),
        "register_python_shutdown_callback": register(scripts.shutdowns),
        "unregister_python_shutdown_callback": unregister(scripts.shutdowns),
        "new_object": new_object,
        "get_default_object": get_default_object,
    } | _python_classes(unreal)


class PropertyDef:
    """A property that a class made in Python has."""

    def __init__(self, type: Any, meta: Any = None, getter: Any = None, setter: Any = None) -> None:
        self.type, self.meta = type, dict(meta or {})


class FunctionDef:
    """A function that a class made in Python has."""

    def __init__(self, function: Callable[..., Any], settings: dict[str, Any]) -> None:
        self.function, self.settings = function, settings


def _python_classes(unreal: FakeUnreal) -> dict[str, Any]:
    def uproperty(type: Any, meta: Any = None, getter: Any = None, setter: Any = None) -> PropertyDef:
        return PropertyDef(type, meta, getter, setter)

    def ufunction(
        meta: Any = None,
        ret: Any = None,
        params: Any = None,
        override: Any = None,
        static: Any = None,
        pure: Any = None,
        getter: Any = None,
        setter: Any = None,
    ) -> Callable[[Any], FunctionDef]:
        return lambda function: FunctionDef(function, {"override": override, "ret": ret, "params": params})

    def uclass() -> Callable[[type], type]:
        return lambda kind: _finish(unreal, kind)

    return {"uproperty": uproperty, "ufunction": ufunction, "uclass": uclass, "ustruct": uclass}


def _finish(unreal: FakeUnreal, kind: type) -> type:
    """Make a class that was written in Python one of the engine's."""
    if not issubclass(kind, FakeObject | FakeStruct):
        raise Exception(f"{kind.__name__} is not derived from one of the engine's classes")
    members: dict[str, tuple[str, bool]] = {}
    metas: dict[str, dict[str, str]] = {}
    for name, value in list(vars(kind).items()):
        if isinstance(value, PropertyDef):
            members[name] = (_kind_of(value.type), False)
            metas[name] = value.meta
            setattr(kind, name, Member(name, members[name][0], False))
        elif isinstance(value, FunctionDef):
            if value.settings["override"] and not any(hasattr(base, name) for base in kind.__mro__[1:]):
                raise Exception(f"{kind.__name__}.{name} overrides nothing")
            setattr(kind, name, value.function)
    kind._members, kind._metas = members, metas  # type: ignore[attr-defined]
    setattr(unreal, kind.__name__, kind)
    return kind


def _kind_of(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _scopes(unreal: FakeUnreal) -> dict[str, type]:
    scripts = unreal.scripts

    class ScopedEditorTransaction:
        def __init__(self, desc: Any) -> None:
            self._words = str(unreal.convert("Text", desc, "ScopedEditorTransaction()"))

        def __enter__(self) -> ScopedEditorTransaction:
            scripts.transact("begin", self._words)
            return self

        def __exit__(self, *_: Any) -> bool:
            scripts.transact("end", self._words)
            return False

        def cancel(self) -> None:
            scripts.transact("cancel", self._words)

    class ScopedSlowTask:
        def __init__(self, work: float, desc: Any = "", enabled: bool = True) -> None:
            unreal.convert("float", work, "ScopedSlowTask()")
            scripts.tasks.append(str(unreal.convert("Text", desc, "ScopedSlowTask()")))

        def __enter__(self) -> ScopedSlowTask:
            return self

        def __exit__(self, *_: Any) -> bool:
            return False

        def make_dialog(self, can_cancel: bool = False, allow_in_pie: bool = False) -> None:
            pass

        def make_dialog_delayed(
            self, delay: float, can_cancel: bool = False, allow_in_pie: bool = False
        ) -> None:
            pass

        def enter_progress_frame(self, work: float = 1.0, desc: Any = "") -> None:
            scripts.tasks.append(str(desc))

        def should_cancel(self) -> bool:
            return scripts.is_cancelled

    return {
        "ScopedEditorTransaction": ScopedEditorTransaction,
        "ScopedSlowTask": ScopedSlowTask,
    }


@contextmanager
def installed(unreal: FakeUnreal) -> Iterator[FakeUnreal]:
    """Have ``import unreal`` mean this one."""
    before = sys.modules.get("unreal")
    sys.modules["unreal"] = unreal
    try:
        yield unreal
    finally:
        del sys.modules["unreal"]
        if before is not None:
            sys.modules["unreal"] = before
