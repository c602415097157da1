"""Changes to JSON that leave it JSON, so that fuzzing gets past the parser."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64 - 1, 2**64, 10**400, 0.5, 1e308, float("nan")),
    *("", "a", "1", "2", "\ud800", "\0", "../x", "Load", "Sample", "Save", "euler", "x" * 300, "MODEL"),
    *([], {}, ["2", 0], ["1", 0], ["9", 9], ["2", "0"], [2, 0.0], [[]], {"__value__": ["2", 0]}, [None]),
)
KEYS = ("class_type", "inputs", "1", "2", "", "type", "nodes", "links", "id", "mode", "widgets_values", "x")


def mutator(fallback: Callable[[bytes, int], bytes]) -> Callable[[bytes, int, int], bytes]:
    """Return how an input is changed: as JSON if it is some, and now and then as bytes."""

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        chance = random.Random(seed)
        try:
            tree = json.loads(data)
        except (ValueError, RecursionError):
            return fallback(data, most)
        if chance.random() < 0.3:
            return fallback(data, most)
        for _ in range(chance.randint(1, 4)):
            tree = changed(tree, chance)
        return json.dumps(tree).encode()[:most]

    return mutate


def changed(tree: Any, chance: random.Random) -> Any:
    """Change one place of a tree."""
    places = list(_places(tree))
    value = copy.deepcopy(chance.choice(VALUES))
    if not places:
        return value
    holder, key = chance.choice(places)
    match chance.randrange(5):
        case 0:
            del holder[key]
        case 1:
            holder[key] = [holder[key]]
        case 2:
            other, there = chance.choice(places)
            holder[key] = json.loads(json.dumps(other[there]))
        case 3 if isinstance(holder, dict):
            holder[chance.choice(KEYS)] = holder[key]
        case _:
            holder[key] = value
    return json.loads(json.dumps(tree))


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = (
            holder.keys()
            if isinstance(holder, dict)
            else range(len(holder))
            if isinstance(holder, list)
            else ()
        )
        for key in keys:
            yield holder, key
            waiting.append(holder[key])
