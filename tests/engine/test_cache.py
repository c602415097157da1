from dataclasses import dataclass

import pytest

from bridge.engine import Cache, Entry, size_of
from bridge.engine.cache import ENTRY_BYTES

MB = 2**20


class Array:
    def __init__(self, nbytes):
        self.nbytes = nbytes


class Model:
    """Something large that does not say so."""


@dataclass
class Pair:
    left: object
    right: object


def entry(nbytes):
    return Entry(([Array(nbytes)],))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Array(7), 7),
        ([Array(7), (Array(1), {"a": Array(2)})], 11),
        ({"text": "four", 5: b"xy"}, 4 + 4 + 2),
        ({Array(1)} | {"a"}, 2),
        (frozenset({"a"}), 1),
        (Pair(Array(3), [Array(4)]), 7),
        (Pair, 0),
        (Model(), 0),
        (Array("many"), 0),
        (None, 0),
        (1.5, 0),
        (memoryview(bytearray(9)), 9),
    ],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
def test_size_is_the_sum_of_what_says_its_size(value, expected):
    assert size_of(value) == expected


def test_a_shared_part_counts_once_and_a_cycle_ends():
    array = Array(10)
    loop = [array, array]
    loop.append(loop)
    assert size_of(loop) == 10


def test_what_was_put_is_found_until_it_is_replaced_or_cleared():
    cache = Cache(MB)
    first, second = entry(1), entry(2)
    cache.put("a", first)
    assert cache.get("a") is first
    cache.put("a", second)
    assert cache.get("a") is second
    assert cache.statistics.bytes == ENTRY_BYTES + 2
    cache.clear()
    assert cache.get("a") is None
    assert (cache.statistics.entries, cache.statistics.bytes) == (0, 0)
    assert (cache.statistics.hits, cache.statistics.misses) == (2, 1)


def test_asking_whether_something_is_known_is_no_use_of_it():
    cache = Cache(2 * (ENTRY_BYTES + MB))
    cache.put("a", entry(MB))
    cache.put("b", entry(MB))
    assert cache.knows("a")
    assert not cache.knows("c")
    cache.put("c", entry(MB))
    assert not cache.knows("a")
    assert (cache.statistics.hits, cache.statistics.misses) == (0, 0)


def test_the_least_recently_used_makes_room():
    cache = Cache(3 * (MB + ENTRY_BYTES))
    for name in "abc":
        cache.put(name, entry(MB))
    cache.get("a")
    cache.put("d", entry(MB))
    assert [name for name in "abcd" if cache.get(name)] == ["a", "c", "d"]
    assert cache.statistics.evictions == 1
    assert cache.statistics.bytes <= 3 * (MB + ENTRY_BYTES)


def test_a_result_larger_than_the_budget_is_not_kept_and_displaces_nothing():
    cache = Cache(MB)
    cache.put("small", entry(10))
    cache.put("large", entry(MB))
    assert cache.get("large") is None
    assert cache.get("small")


def test_replacing_an_entry_by_one_too_large_forgets_the_old_one():
    cache = Cache(MB)
    cache.put("a", entry(10))
    cache.put("a", entry(MB))
    assert cache.get("a") is None
    assert cache.statistics.bytes == 0
