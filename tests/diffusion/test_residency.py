"""Which networks are in memory."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from bridge.diffusion import (
    Network,
    choose_placement,
    free,
    loaded_networks,
    placement,
    planning,
    residency,
    set_placement,
)
from bridge.diffusion.device import Placement, Placing
from bridge.diffusion.residency import drop_if_short, with_room
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.engine import Job, running
from bridge.errors import OutOfMemory
from tests.diffusion.transformer_weights import PUBLISHED

SHAPES = {"weight": (64, 64), "bias": (64,)}
LAYER_BYTES = 4 * (64 * 64 + 64)


def in_half(where: Placement) -> Placement:
    return replace(where, dtype=torch.float16)


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
    monkeypatch.setattr(residency, "room_for_weights", lambda device, used: 2 * LAYER_BYTES - used)
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
    monkeypatch.setattr(residency, "room_for_weights", lambda device, used: 1 - used)
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


def test_what_the_call_itself_loads_is_not_dropped_without_end(make: Callable[[str], Network[Any]]) -> None:
    kept, other = make("a"), make("b")
    attempts: list[list[str]] = []

    def call() -> None:
        other.module()
        attempts.append(names())
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        with_room(call, keep=(kept,))
    assert attempts == [["b"], ["b"]]


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


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An accelerator (torch's "meta") with room for a number of layers, that a test may change."""
    room = {"layers": 2}

    def room_for_weights(device: torch.device, used_bytes: int) -> int:
        if device.type == "cpu":
            return 8 * LAYER_BYTES - used_bytes
        there = [each for each in loaded_networks() if each.home == device]
        return (room["layers"] - len(there)) * LAYER_BYTES

    before = placement()
    set_placement(Placement.uniform(torch.device("meta"), torch.float32))
    monkeypatch.setattr(residency, "room_for_weights", room_for_weights)
    yield room
    set_placement(before)


def make_there(name: str, place: Placing = Placement.unchanged) -> Network[Any]:
    def load(where: Placement) -> Any:
        return torch.nn.Linear(64, 64, device=where.device, dtype=where.dtype)

    return Network(name, load, SHAPES, place=place)


def test_what_is_unused_for_longest_leaves_before_there_is_too_little_room(
    device: Any,
) -> None:
    a, b, c = (make_there(name) for name in "abc")
    for network in (a, b, a, c):
        network.module()
    assert names() == ["a", "c"]


def test_a_network_that_does_not_fit_alone_is_streamed(
    device: Any,
) -> None:
    device["layers"] = 0
    network = make_there("large")
    module = network.module()
    assert network.is_streamed
    assert module.weight.device.type == "cpu"
    assert module(torch.empty(1, 64, device="meta")).device.type == "meta"


def test_a_network_is_streamed_before_memory_is_said_to_be_full(
    device: Any,
) -> None:
    network, other = make_there("a"), make_there("b")
    network.module()
    other.module()
    seen = []

    def call() -> str:
        network.module()
        seen.append((names(), network.is_streamed))
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        with_room(call, keep=(network,))
    assert seen == [(["b", "a"], False), (["a"], False), (["a"], True)]


def test_dropping_ends_streaming(device: Any) -> None:
    network = make_there("a")
    network.stream()
    network.module()
    assert network.is_streamed
    free()
    network.module()
    assert not network.is_streamed


def test_what_was_made_of_a_streamed_network_streams_too(
    device: Any,
) -> None:
    base = make_there("a")
    twin = Network("twin", lambda where: base.module(), base.shapes, needs=(base,), new_bytes=0)
    twin.stream()
    assert twin.module().weight.device.type == "cpu"
    assert base.is_streamed


def test_a_network_on_the_cpu_leaves_the_device_to_others(device: Any) -> None:
    device["layers"] = 1
    there, here = make_there("there"), make_there("here", Placement.on_cpu)
    there.module()
    assert here.module().weight.device.type == "cpu"
    assert names() == ["there", "here"]
    assert not here.is_streamed


def test_a_full_device_gains_nothing_from_networks_that_rest_elsewhere(device: Any) -> None:
    here, streamed = make_there("here", Placement.on_cpu), make_there("streamed")
    streamed.stream()
    for network in (here, streamed):
        network.module()
    there = make_there("there")

    def call() -> None:
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        with_room(call, keep=(there,))
    assert names() == ["here", "streamed"]


def test_a_streamed_network_that_comes_back_drops_nobody(device: Any) -> None:
    large, small = make_there("large"), make_there("small")
    large.stream()
    device["layers"] = 1
    small.module()
    large.module()
    assert names() == ["small", "large"]


def test_a_widened_network_stays_so(device: Any) -> None:
    network = make_there("a", in_half)
    assert network.module().weight.dtype == torch.float16
    assert network.new_bytes == LAYER_BYTES // 2
    network.widen()
    assert network.module().weight.dtype == torch.float32
    free()
    assert network.module().weight.dtype == torch.float32
    assert network.new_bytes == LAYER_BYTES


def test_what_is_made_of_a_network_runs_where_it_does(device: Any) -> None:
    base = make_there("base", Placement.on_cpu)
    twin = Network("twin", lambda where: base.module(), base.shapes, needs=(base,), new_bytes=0)
    assert twin.placement == base.placement
    assert twin.home == torch.device("cpu")


def test_weights_in_eight_bits_are_reckoned_so() -> None:
    network = Network(
        "a", lambda where: torch.nn.Linear(2, 3), {"weight": (3, 2), "bias": (3,)}, resting={"weight": 1}
    )
    assert network.new_bytes == 6 + 3 * 4


@pytest.mark.parametrize("change", [Network.stream, Network.widen])
def test_what_was_made_of_a_network_follows_it(device: Any, change: Callable[[Network[Any]], None]) -> None:
    base = make_there("base", in_half)
    twin = Network("twin", lambda where: base.module(), base.shapes, needs=(base,), new_bytes=0)
    heir = Network("heir", lambda where: twin.module(), base.shapes, needs=(twin,), new_bytes=0)
    heir.module()
    change(base)
    assert names() == []
    weight = heir.module().weight
    assert (weight.device, weight.dtype) == (heir.home, heir.placement.dtype)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An accelerator (torch's "meta") and a computer of so many bytes, which a test may change."""
    room = {"meta": 10**12, "cpu": 10**12}

    def room_for_weights(device: torch.device, used_bytes: int) -> int:
        if device.type == "meta":  # whose tensors have no storage that can be told from others
            used_bytes = sum(there(each) for each in loaded_networks())
            used_bytes += room.get("taken", 0)  # by other programs
        return room[device.type] - used_bytes

    before = placement()
    set_placement(Placement.uniform(torch.device("meta"), torch.float32))
    monkeypatch.setattr(residency, "room_for_weights", room_for_weights)
    monkeypatch.setattr(residency, "all_memory", lambda device: room[device.type])
    monkeypatch.setattr(planning, "LEAST_VISITING_BYTES", 2 * LAYER_BYTES)
    monkeypatch.setattr(planning, "_LAYERS_AT_ONCE", 2)
    monkeypatch.setattr(planning, "_SMALL_BYTES", 1)
    yield room
    set_placement(before)


def make_deep(name: str, depth: int = 8) -> Network[Any]:
    def load(where: Placement) -> Any:
        linear = (torch.nn.Linear(64, 64, device=where.device, dtype=where.dtype) for _ in range(depth))
        return torch.nn.Sequential(*linear)

    shapes = {f"{index}.{key}": shape for index in range(depth) for key, shape in SHAPES.items()}
    return Network(name, load, shapes)


def there(network: Network[Any]) -> int:
    """How many bytes of a network are on the card."""
    return sum(tensor.nbytes for tensor in network.tensors() if tensor.device.type == "meta")


def test_as_many_layers_stay_as_fit_and_the_others_visit(card: Any) -> None:
    card["meta"] = 7 * LAYER_BYTES
    network = make_deep("large")
    module = network.module()
    assert network.is_streamed
    assert network.home == torch.device("meta")
    assert there(network) == 5 * LAYER_BYTES
    assert network.home_bytes == 7 * LAYER_BYTES
    assert module(torch.empty(1, 64, device="meta")).device.type == "meta"


def test_others_leave_before_a_network_is_streamed(card: Any) -> None:
    card["meta"] = 9 * LAYER_BYTES
    text, denoiser = make_deep("text encoder", 2), make_deep("denoiser")
    text.module()
    denoiser.module()
    assert names() == ["denoiser"]
    assert not denoiser.is_streamed


def test_layers_that_stay_leave_for_others(card: Any) -> None:
    card["meta"] = 7 * LAYER_BYTES
    large, small = make_deep("large"), make_deep("small", 4)
    large.module()
    small.module()
    assert names() == ["small"]
    large.module()
    assert names() == ["large"]
    assert there(large) == 5 * LAYER_BYTES


def test_layers_that_rest_in_ordinary_memory_make_room_there(card: Any) -> None:
    card |= {"meta": 7 * LAYER_BYTES, "cpu": 9 * LAYER_BYTES}
    here = make_there("here", Placement.on_cpu)
    also = make_there("also", Placement.on_cpu)
    for network in (here, also, make_deep("large")):
        network.module()
    assert "here" not in names()
    assert "also" in names()


def test_full_memory_leaves_half_of_the_layers_then_a_quarter_then_none(card: Any) -> None:
    network = make_deep("large", 32)
    held: list[int] = []

    def call() -> None:
        network.module()
        held.append(there(network) // LAYER_BYTES)
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory) as caught:
        with_room(call, keep=(network,))
    assert held == [32, 14, 6, 2, 0]
    assert caught.value.message == "full; every other model has left, large visits layer by layer"


def test_a_call_within_another_leaves_it_to_that_to_stream_the_largest(card: Any) -> None:
    large, small, loads = make_deep("denoiser"), make_deep("VAE", 2), list[str]()

    def encode() -> None:
        small.module()
        loads.append("VAE")
        if not large.is_streamed:
            raise OutOfMemory("full")

    def step() -> None:
        large.module()
        loads.append("denoiser")
        with_room(encode, keep=(small,))

    with_room(step, keep=(large,))
    assert loads == ["denoiser", "VAE"] * 3  # the second time because the VAE might have been in its own way
    assert large.is_streamed
    assert not small.is_streamed


def test_what_is_made_of_a_network_is_streamed_with_it(card: Any) -> None:
    card["meta"] = 7 * LAYER_BYTES
    base = make_deep("base")
    twin = twin_of(base)
    twin.module()
    assert twin.is_streamed
    assert twin.home == base.home
    drop_if_short(twin, 8 * LAYER_BYTES)
    assert base.is_streamed
    twin.module()
    free()
    assert not twin.is_streamed


@pytest.mark.parametrize(
    ("room", "text"),
    [
        ({"meta": 4 * LAYER_BYTES, "cpu": 7 * LAYER_BYTES}, "large needs 0.1 MB of memory"),
        ({"meta": LAYER_BYTES - 1}, "large needs 0.1 MB of memory"),
        ({"meta": 10 * LAYER_BYTES, "cpu": 7 * LAYER_BYTES, "taken": 3 * LAYER_BYTES}, "not even layer"),
    ],
    ids=["nowhere enough", "not even for a layer", "not enough to go through"],
)
def test_what_cannot_fit_is_refused_before_anything_is_loaded_or_leaves(
    card: Any, room: dict[str, int], text: str
) -> None:
    here = make_there("here", Placement.on_cpu)
    here.module()
    card |= room
    large = make_deep("large")
    with pytest.raises(OutOfMemory, match=text) as caught:
        with_room(large.module, keep=(large,))
    assert caught.value.code == "model_too_large"
    assert names() == ["here"]
    card |= {"meta": 10**12, "taken": 0}
    large.module()
    assert not large.is_streamed


@pytest.mark.parametrize("width", [1, 2])
def test_only_what_is_wider_is_told_of_eight_bits(card: Any, width: int) -> None:
    card |= {"meta": 10**5, "cpu": 10**5}
    large: Network[Any] = Network(
        "large", lambda where: torch.nn.Module(), {"a": (10**6,)}, resting={"a": width}
    )
    with pytest.raises(OutOfMemory) as caught:
        large.module()
    assert ("fp8" in caught.value.hint) is (width > 1)


def test_a_change_larger_than_all_memory_is_refused(card: Any) -> None:
    card |= {"meta": 9 * LAYER_BYTES, "cpu": 9 * LAYER_BYTES}
    base = make_deep("base")
    change = Network(
        "LoRA", lambda where: base.module(), base.shapes, needs=(base,), new_bytes=10 * LAYER_BYTES
    )
    with pytest.raises(OutOfMemory, match=r"LoRA needs 0\.2 MB of memory"):
        change.module()
    assert names() == []


def test_nothing_is_said_of_what_only_changes_a_streamed_network(
    card: Any, job: Job, sent: list[Any]
) -> None:
    card["meta"] = 7 * LAYER_BYTES
    base = make_deep("deep base")
    twin = Network("LoRA", lambda where: base.module(), base.shapes, needs=(base,), new_bytes=8 * LAYER_BYTES)
    with running(job, "3"):
        twin.module()
    assert [message.detail.partition(" needs")[0] for message in sent] == ["deep base"]


def test_ordinary_memory_that_others_take_is_no_reason_to_refuse(
    make: Callable[[str], Network[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residency, "room_for_weights", lambda device, used: -(10**12))
    network = make_there("a", Placement.on_cpu)
    network.module()
    assert names() == ["a"]


def test_a_client_is_told_once_a_job_how_a_network_is_loaded(card: Any, job: Job, sent: list[Any]) -> None:
    card["meta"] = 7 * LAYER_BYTES
    text, large = make_deep("text encoder", 4), make_deep("denoiser")
    with running(job, "3"):
        for network in (text, large, text, large):
            network.module()
    assert [message.detail for message in sent] == [
        "denoiser needs 0.1 MB, 0.0 MB are free: text encoder moves out, "
        "0.1 MB of it stay on meta, its other layers visit",
        "text encoder needs 0.1 MB, 0.0 MB are free: denoiser moves out",
    ]
    assert {message.node for message in sent} == {"3"}


def test_a_client_is_told_what_a_full_device_forced(card: Any, job: Job, sent: list[Any]) -> None:
    network = make_deep("UNet")
    with running(job, "3"):
        network.module()
        network.stream(4 * LAYER_BYTES)
        network.module()
    assert [message.detail.partition(": ")[2] for message in sent] == [
        "0.1 MB of it stay on meta, its other layers visit"
    ]


@pytest.mark.parametrize(("width", "gigabytes"), [(2, 23.8), (1, 11.9)], ids=["bfloat16", "fp8"])
def test_flux_at_full_size_runs_in_12_gigabytes(width: int, gigabytes: float) -> None:
    """10 GB are left on such a card by a desktop, and by what runs through the layers."""
    module = empty_transformer(PUBLISHED["flux_dev"][0])
    shapes = {name: tuple(each.shape) for name, each in module.named_parameters()}
    resting = {name: width for name in shapes if name.endswith(".weight")}
    network = Network("Flux", lambda where: module, shapes, resting=resting, place=in_half)
    assert network.new_bytes == pytest.approx(gigabytes * 1e9, rel=0.01)
    network.stream(10 * 10**9)
    assert 9.8e9 < network.home_bytes <= 10e9 < network.new_bytes


def twin_of(base: Network[Any], name: str = "twin") -> Network[Any]:
    return Network(name, lambda where: base.module(), base.shapes, needs=(base,), new_bytes=0)


def test_what_a_needed_network_was_made_of_stays(device: Any) -> None:
    base, other = make_there("base"), make_there("other")
    twin = twin_of(twin_of(base))
    twin.module()
    other.module()

    def call() -> None:
        twin.module()
        raise OutOfMemory("full")

    with pytest.raises(OutOfMemory):
        with_room(call, keep=(twin,))
    assert "other" not in names()
    assert base.is_loaded


def test_what_leaves_takes_along_what_shares_its_tensors(device: Any) -> None:
    device["layers"] = 3
    base = make_there("base")
    twin = twin_of(base)
    twin.module()
    device["layers"] = 1
    newcomer = make_there("newcomer")
    newcomer.module()
    assert names() == ["newcomer"]


def test_somebody_who_is_short_of_room_drops_all_that_hold_the_tensors(device: Any) -> None:
    base = make_there("base")
    twin = twin_of(base)
    twin.module()
    drop_if_short(twin, 8 * LAYER_BYTES)
    assert names() == []
