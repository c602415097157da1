"""Which networks are in memory."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bridge.diffusion import Network, choose_placement, free, loaded_networks, placement, set_placement
from bridge.diffusion import memory
from bridge.diffusion.residency import with_room
from bridge.errors import OutOfMemory

LAYER_BYTES = 4 * (64 * 64 + 64)


@pytest.fixture
def loads() -> list[str]:
    return []


@pytest.fixture
def make(loads: list[str]) -> Callable[[str], Network[Any]]:
    def make(name: str) -> Network[Any]:
        def load(placement: Any) -> torch.nn.Module:
            loads.append(name)
            return torch.nn.Linear(64, 64)

        return Network(name, load)

    free()
    return make


def names() -> list[str]:
    return [network.name for network in loaded_networks()]


def test_loaded_when_first_used_and_only_once(make: Callable[[str], Network[Any]], loads: list[str]) -> None:
    network = make("a")
    assert not network.is_loaded
    assert network.module() is network.module()
    assert loads == ["a"]
    assert network.weight_bytes == LAYER_BYTES


def test_ready_for_inference(make: Callable[[str], Network[Any]]) -> None:
    module = make("a").module()
    assert not module.training
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_free_drops_all_and_handles_stay_good(make: Callable[[str], Network[Any]], loads: list[str]) -> None:
    network = make("a")
    network.module()
    free()
    assert names() == []
    assert network.weight_bytes == 0
    network.module()
    assert loads == ["a", "a"]


def test_a_forgotten_handle_takes_its_network_along(make: Callable[[str], Network[Any]]) -> None:
    network = make("a")
    network.module()
    assert names() == ["a"]
    del network
    assert names() == []


def test_the_budget_drops_what_was_unused_for_longest(
    make: Callable[[str], Network[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CPU_BUDGET_BYTES", 2 * LAYER_BYTES)
    a, b, c = (make(name) for name in "abc")
    a.module()
    b.module()
    a.module()
    c.module()
    assert names() == ["a", "c"]
    assert not b.is_loaded


def test_a_network_larger_than_the_budget_still_loads(
    make: Callable[[str], Network[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "CPU_BUDGET_BYTES", 1)
    network = make("a")
    network.module()
    assert names() == ["a"]


def test_full_memory_while_loading_drops_others(make: Callable[[str], Network[Any]]) -> None:
    a, b = make("a"), make("b")
    a.module()
    b.module()

    def load(placement: Any) -> torch.nn.Module:
        if len(loaded_networks()) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return torch.nn.Linear(64, 64)

    large = Network("large", load)
    large.module()
    assert names() == ["b", "large"]


def test_full_memory_with_nothing_left_to_drop_is_said() -> None:
    def load(placement: Any) -> torch.nn.Module:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(OutOfMemory, match="loading large"):
        Network("large", load).module()


def test_room_is_not_made_of_what_is_needed(make: Callable[[str], Network[Any]]) -> None:
    a, b = make("a"), make("b")
    a.module()
    b.module()
    attempts = []

    def call() -> str:
        attempts.append(names())
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        with_room(call, keep=(a,))
    assert attempts == [["a", "b"], ["a"]]


def test_another_placement_loads_again(make: Callable[[str], Network[Any]], loads: list[str]) -> None:
    before = placement()
    network = make("a")
    network.module()
    try:
        set_placement(choose_placement("cpu", "bfloat16"))
        assert placement().dtype == torch.bfloat16
        network.module()
    finally:
        set_placement(before)
    assert loads == ["a", "a"]
