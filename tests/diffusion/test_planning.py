"""What fits where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.diffusion.planning import (
    LEAST_VISITING_BYTES,
    Plan,
    staying_layers,
    too_large,
    visiting_bytes,
)

MEGABYTE = 10**6
GIGABYTE = 10**9
FLUX = {f"{index}.linear": 113 * MEGABYTE for index in range(200)} | {
    f"{index}.norm": 1000 for index in range(200)
}
"""As many bytes as Flux's transformer has in bfloat16, 22.6 GB, in layers like its largest."""

SIZES = st.lists(st.integers(0, 10**9), max_size=30)


@given(SIZES, st.integers(-(10**9), 2 * 10**10))
def test_what_stays_and_what_visits_fit_the_room(sizes: list[int], room: int) -> None:
    layers = {str(index): size for index, size in enumerate(sizes)}
    staying = staying_layers(layers, room)
    if staying:
        assert sum(layers[path] for path in staying) + visiting_bytes(layers) <= room


def test_what_stays_uses_the_room_but_for_a_layer() -> None:
    staying = staying_layers(FLUX, 11 * GIGABYTE)
    taken = sum(FLUX[path] for path in staying) + visiting_bytes(FLUX)
    assert 11 * GIGABYTE - 113 * MEGABYTE < taken <= 11 * GIGABYTE


def test_small_layers_stay_before_large_ones() -> None:
    assert {path for path in FLUX if "norm" in path} <= staying_layers(FLUX, 2 * GIGABYTE)


def test_layers_that_visit_are_spread_over_the_network() -> None:
    large = [path for path in FLUX if "linear" in path]
    staying = staying_layers(FLUX, 11 * GIGABYTE)
    for start in range(0, 200, 20):
        assert 8 <= sum(path in staying for path in large[start : start + 20]) <= 11


def test_nothing_stays_where_there_is_no_room() -> None:
    assert staying_layers(FLUX, LEAST_VISITING_BYTES) == frozenset()


def test_visits_leave_room_for_three_of_the_largest_layers() -> None:
    assert visiting_bytes(FLUX) == 3 * 113 * MEGABYTE
    assert visiting_bytes({"a": 10**6, "b": 10**9}) == 10**9 + 10**6
    assert visiting_bytes({str(index): 10**7 for index in range(100)}) == LEAST_VISITING_BYTES
    assert visiting_bytes({}) == 0


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (
            Plan("Flux", "cuda:0", 11_200_000_000, 9_800_000_000, ("T5", "CLIP"), 11_200_000_000),
            "Flux needs 11.2 GB, 9.8 GB are free: T5 moves out, CLIP moves out",
        ),
        (
            Plan("Flux", "cuda:0", 23_800_000_000, 10_000_000_000, (), 9_900_000_000),
            "Flux needs 23.8 GB, 10.0 GB are free: 9.9 GB of it stay on cuda:0, its other layers visit",
        ),
        (
            Plan("Flux", "cuda:0", 23_800_000_000, -5, ("T5",)),
            "Flux needs 23.8 GB, 0.0 MB are free: T5 moves out, its layers visit cuda:0 one by one",
        ),
        (
            Plan("Flux", "cpu", 23_800_000_000, 10_000_000_000),
            "Flux needs 23.8 GB, 10.0 GB are free: "
            "it is loaded all the same, and slow if the system has to swap",
        ),
    ],
)
def test_a_plan_in_words(plan: Plan, text: str) -> None:
    assert str(plan) == text


def test_what_cannot_fit_is_said_in_numbers() -> None:
    error = too_large("Flux", 23_800_000_000, "cuda:0", 12e9, 16e9, may_narrow=True)
    assert error.message == (
        "Flux needs 23.8 GB of memory and does not fit: cuda:0 has 12.0 GB, and the computer has 16.0 GB, "
        "with what it swaps to disk: not even layer by layer"
    )
    assert "fp8" in error.hint
    assert "fp8" not in too_large("Flux", 11_900_000_000, "mps", 8e9, 8e9, may_narrow=False).hint
    assert "cuda" not in too_large("Flux", 23_800_000_000, "cpu", 16e9, 16e9, may_narrow=True).message


def test_nothing_is_to_be_done_for_what_shares_the_rest() -> None:
    assert Plan("LoRA", "cuda:0", 10**9, 10**8, (), 10**9).steps == []
