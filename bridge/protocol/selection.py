"""Which numbers of a frame are meant by a binding's name: of an object, a collection or a material."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .binding import Binding
from .names import Named, Names, SceneObject

Item = SceneObject | Named

_ARTICLE = re.compile(r"(?:the|an?)\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selected:
    """What names select.

    Args:
        kind: Whether ``numbers`` are those of objects or of materials.
        numbers: As they are in the frame's planes.
        missing: Names, or patterns, of nothing that the frame tells of.
    """

    kind: Literal["object", "material"]
    numbers: frozenset[int]
    missing: tuple[str, ...] = ()


def select(names: Names, binding: Binding) -> Selected:
    """Find what a binding is about.

    An object is found by its own name, and by that of what it is ``within``. Patterns (``*`` for any letters,
    ``?`` for one) ignore case, and commas part several; quotes keep a name as it is, ``name [library]`` is a
    linked thing, and an article before a name ("the car") is left out where nothing is called so.
    """
    if not binding.is_pattern:
        wanted = binding.name, binding.library
        found = _numbers(names, binding.kind, lambda item: wanted in _names(item))
        return _selected(binding.kind, found, () if found else (binding.name,))
    numbers: set[int] = set()
    missing = []
    for pattern in patterns_in(binding.name):
        found = _matching(names, binding.kind, pattern)
        found = found or _matching(names, binding.kind, _ARTICLE.sub("", pattern, count=1))
        numbers |= found
        if not found:
            missing.append(pattern.strip('"'))
    return _selected(binding.kind, numbers, tuple(missing))


def distinct(chosen: Sequence[Selected]) -> list[Selected]:
    """Leave each number to the first that selects it."""
    taken: dict[str, frozenset[int]] = {"object": frozenset(), "material": frozenset()}
    left = []
    for each in chosen:
        left.append(replace(each, numbers=each.numbers - taken[each.kind]))
        taken[each.kind] |= each.numbers
    return left


def patterns_in(text: str) -> list[str]:
    """Part names at the commas and line ends that are not within quotes; the quotes stay."""
    parts = re.findall(r'(?:"[^"]*"|[^",\n]|")+', text)
    return [part.strip() for part in parts if part.strip()]


def names_of(names: Names, kind: str) -> list[str]:
    """List what can be named, each name once."""
    return list(dict.fromkeys(name for item in _items(names, kind) for name, _ in _names(item)))


def _matching(names: Names, kind: str, pattern: str) -> set[int]:
    is_quoted = len(pattern) > 1 and pattern[0] == pattern[-1] == '"'
    plain = (pattern[1:-1] if is_quoted else pattern).casefold()
    wild = {} if is_quoted else {"*": ".*", "?": "."}
    spelled = re.compile("".join(wild.get(letter, re.escape(letter)) for letter in plain), re.DOTALL)
    return _numbers(
        names,
        kind,
        lambda item: any(
            spelled.fullmatch(spelling.casefold())
            for name, library in _names(item)
            for spelling in (name, f"{name} [{library}]")
        ),
    )


def _numbers(names: Names, kind: str, is_meant: Callable[[Item], bool]) -> set[int]:
    """Return the numbers of what is meant; of a collection, those of its objects."""
    found = {number for number, item in enumerate(_items(names, kind), start=1) if is_meant(item)}
    if kind != "collection":
        return found
    return {number for number, item in enumerate(names.objects, start=1) if found & {*item.collections}}


def _items(names: Names, kind: str) -> Sequence[Item]:
    if kind == "object":
        return names.objects
    return names.collections if kind == "collection" else names.materials


def _names(item: Item) -> list[tuple[str, str]]:
    """Return each name that stands for a thing, and the library it is from."""
    within = item.within if isinstance(item, SceneObject) else ()
    return [(item.name, item.library), *((name, "") for name in within)]


def _selected(kind: str, numbers: Iterable[int], missing: tuple[str, ...]) -> Selected:
    return Selected("material" if kind == "material" else "object", frozenset(numbers), missing)
