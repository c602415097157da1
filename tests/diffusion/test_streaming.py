"""Networks of which layers rest in ordinary memory while they run elsewhere; "meta" stands for the device."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import SiglipVisionConfig, SiglipVisionModel

from bridge.diffusion import streaming
from bridge.diffusion.networks import empty_unet
from bridge.diffusion.patching import twin_of
from bridge.diffusion.streaming import Visits, stream_to
from bridge.diffusion.transformer_networks import with_positions
from tests.diffusion.conftest import UNET, WIDTH, autoencoder, t5_encoder, with_weights
from tests.diffusion.transformer_weights import SMALL, small_transformer

META = torch.device("meta")
LAYER_BYTES = 4 * (8 * 8 + 8)


class Failing(torch.nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        assert self.weight.device == META
        raise RuntimeError("broken")


def weights(module: torch.nn.Module) -> set[str]:
    return {tensor.device.type for tensor in (*module.parameters(), *module.buffers())}


def test_layers_visit_the_device_and_nothing_is_copied_back() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()
    before = [tensor.data_ptr() for tensor in (*module.parameters(), *module.buffers())]
    stream_to(META, module, (), 0)
    output = module(torch.empty(2, 3, device=META))
    assert output.device == META
    assert weights(module) == {"cpu"}
    assert [tensor.data_ptr() for tensor in (*module.parameters(), *module.buffers())] == before


def test_it_computes_what_it_did() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Linear(4, 2))
    x = torch.randn(5, 3)
    expected = module(x)
    stream_to(torch.device("cpu"), module, (), 0)
    assert torch.equal(module(x), expected)


def test_a_layer_that_fails_gives_its_weights_back() -> None:
    module = torch.nn.Sequential(Failing(3, 4))
    stream_to(META, module, (), 0)
    with pytest.raises(RuntimeError, match="broken"):
        module(torch.empty(2, 3, device=META))
    assert weights(module) == {"cpu"}


def test_a_twin_streams_as_well() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    stream_to(META, module, (), 0)
    twin = twin_of(module, ["0.weight"])
    twin[0].weight = torch.nn.Parameter(torch.zeros(4, 3))
    assert twin(torch.empty(2, 3, device=META)).device == META
    assert weights(twin) == weights(module) == {"cpu"}


def test_layers_that_stay_move_once_and_the_others_visit() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2))
    stream_to(META, module, {"1"}, 0)
    assert [layer.weight.device.type for layer in module] == ["cpu", "meta", "cpu"]
    there = module[1].weight
    assert module(torch.empty(2, 3, device=META)).device == META
    assert module[1].weight is there


CALLS: Mapping[str, Callable[[Any], Any]] = {
    "sd35": lambda network: network(
        torch.empty(1, 16, 8, 8), torch.empty(1, 5, 32), torch.empty(1, 48), torch.empty(1)
    ).sample,
    "flux_schnell": lambda network: network(
        torch.empty(1, 16, 64), torch.empty(1, 5, 32), torch.empty(1, 24), torch.empty(1),
        torch.empty(16, 3), torch.empty(5, 3),
    ).sample,
    "pixart_sigma": lambda network: network(
        torch.empty(1, 4, 8, 8), torch.empty(1, 5, 32), torch.empty(1)
    ).sample,
    "t5": lambda network: network.encoder(inputs_embeds=network.shared(torch.zeros(1, 5).long()))[0],
    "unet": lambda network: network(torch.empty(1, 4, 8, 8), torch.empty(1), torch.empty(1, 5, WIDTH)).sample,
    "siglip": lambda network: network(torch.empty(1, 3, 28, 28)).pooler_output,
    "vae": lambda network: network.decode(torch.empty(1, 4, 8, 8)).sample,
}  # fmt: skip
"""Networks, and how the parts of them are called that run."""


SIGLIP = SiglipVisionConfig(
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=28,
    patch_size=14,
)
"""With a head whose attention does not call its own layers."""


def network_named(name: str) -> Any:
    match name:
        case "t5":
            return t5_encoder()
        case "unet":
            return with_weights(empty_unet(UNET))
        case "siglip":
            return SiglipVisionModel(SIGLIP).requires_grad_(False)
        case "vae":
            return autoencoder(8, 8).network.module()
    return with_positions(small_transformer(SMALL[name][0]))


@pytest.mark.parametrize("name", CALLS)
def test_a_network_of_which_half_of_the_layers_stay_runs_on_the_device(name: str) -> None:
    network = network_named(name)
    layers = [path for path, layer in network.named_modules() if layer._parameters]
    stream_to(META, network, set(layers[::2]), 0)
    assert weights(network) == {"cpu", "meta"}
    with META:
        assert CALLS[name](network).device == META
    assert weights(network) == {"cpu", "meta"}


class Lane:
    """Copies that are under way until somebody waits for them; notes what is asked of it.

    Args:
        names: What each layer is called in notes.
    """

    def __init__(self, names: Mapping[nn.Module, str]) -> None:
        self.names = names
        self.notes: list[str] = []
        self.present = ""
        self.done: set[str] = set()
        self.full_for: set[str] = set()
        self.full_once = False

    def fetch(self, layer: nn.Module) -> tuple[dict[str, Tensor], str]:
        if self.full_once or self.names[layer] in self.full_for:
            self.full_once = False
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.notes.append(f"fetch {self.names[layer]}")
        return {name: each.to(META) for name, each in layer.named_parameters(recurse=False)}, self.names[
            layer
        ]

    def join(self, copies: Mapping[str, Tensor], arrival: str) -> None:
        self.present = arrival
        self.notes.append(f"run {arrival}")

    def mark(self) -> str:
        return self.present

    def is_done(self, mark: str) -> bool:
        return mark in self.done

    def wait(self, mark: str) -> None:
        self.notes.append(f"wait for {mark}")


def visited(count: int, limit: int) -> tuple[nn.Sequential, Lane]:
    """A network of equal layers, all of which visit, at most so many at a time."""
    module = nn.Sequential(*(nn.Linear(8, 8) for _ in range(count)))
    lane = Lane({layer: name for name, layer in zip("abcdefgh", module, strict=False)})
    streaming._stream(META, module, (), Visits(lane, limit * LAYER_BYTES))
    return module, lane


def run(module: nn.Module) -> None:
    assert module(torch.empty(1, 8, device=META)).device == META


def test_layers_that_followed_last_time_are_fetched_while_one_runs() -> None:
    module, lane = visited(3, limit=3)
    run(module)
    assert lane.notes == ["fetch a", "run a", "fetch b", "run b", "fetch c", "run c"]
    lane.notes.clear()
    run(module)
    assert lane.notes == [
        *("wait for a", "fetch a", "run a", "wait for b", "fetch b", "wait for c", "fetch c"),
        *("run b", "wait for a", "fetch a", "run c", "wait for b", "fetch b"),
    ]


def test_visits_never_take_more_than_their_limit() -> None:
    module, lane = visited(6, limit=3)
    held: list[int] = []
    visits = Visits(lane, 3 * LAYER_BYTES)
    for layer in (*module, *module, *module):
        visits.begin(layer)
        held.append(visits._taken + LAYER_BYTES)
        visits.end(layer)
        held.append(visits._taken)
    assert max(held) == 3 * LAYER_BYTES


def test_a_layer_larger_than_the_limit_visits_alone() -> None:
    module, lane = visited(2, limit=0)
    for _ in range(2):
        run(module)
    first = ("fetch a", "run a", "wait for a", "fetch b", "run b")
    assert lane.notes == [*first, "wait for b", *first]


def test_what_is_done_is_let_go_of_without_waiting() -> None:
    module, lane = visited(3, limit=3)
    lane.done = {"a", "b", "c"}
    for _ in range(3):
        run(module)
    assert not any(note.startswith("wait") for note in lane.notes)


def test_no_layer_is_fetched_ahead_where_that_finds_no_memory() -> None:
    module, lane = visited(4, limit=4)
    run(module)
    lane.full_for = {"b", "c", "d"}
    lane.notes.clear()
    with pytest.raises(torch.OutOfMemoryError):
        run(module)
    waits = [f"wait for {name}" for name in "bcda"]  # and even then b does not fit
    assert lane.notes == ["wait for a", "fetch a", "run a", *waits]
    lane.full_for = {"c"}
    module[0](torch.empty(1, 8, device=META))
    assert lane.notes[-2:] == ["run a", "fetch b"]


def test_a_layer_that_must_run_waits_for_all_others_to_leave() -> None:
    module, lane = visited(4, limit=4)
    run(module)
    lane.full_once = True
    module[0](torch.empty(1, 8, device=META))
    assert lane.notes[-8:-3] == ["wait for b", "wait for c", "wait for d", "fetch a", "run a"]


def test_a_layer_that_fails_sends_for_no_other() -> None:
    module, lane = visited(4, limit=4)
    run(module)
    lane.notes.clear()
    with pytest.raises(RuntimeError):
        module[0](torch.empty(1, 3, device=META))
    assert lane.notes == ["wait for a", "fetch a", "run a"]


class Parent(nn.Module):
    """What has tensors of its own, and layers within."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.ones(8))
        self.inner = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.inner(x) * self.own
        return result


def test_what_ran_within_a_layer_is_not_fetched_again_at_its_end() -> None:
    module = nn.Sequential(Parent(), Parent())
    parts = [each for parent in module for each in (parent, *parent.inner)]
    lane = Lane(dict(zip(parts, ("a", "a0", "a1", "b", "b0", "b1"), strict=True)))
    streaming._stream(META, module, (), Visits(lane, 100 * LAYER_BYTES))
    lane.done = {*lane.names.values()}
    for _ in range(2):
        run(module)
    lane.notes.clear()
    run(module)
    assert sum(note.startswith("fetch") for note in lane.notes) == len(parts)


def test_another_way_through_the_network_is_followed() -> None:
    module, lane = visited(4, limit=4)
    x = torch.empty(1, 8, device=META)
    for way in ("abcd", "acd", "acd"):
        lane.notes.clear()
        for name in way:
            assert module["abcd".index(name)](x).device == META
    assert "fetch b" not in lane.notes
    assert [note for note in lane.notes if note.startswith("run")] == ["run a", "run c", "run d"]


def test_a_forgotten_twin_is_not_kept_by_what_followed_it() -> None:
    module, lane = visited(2, limit=4)
    twin = twin_of(module, ["1.weight"])
    twin[1].weight = nn.Parameter(torch.zeros(8, 8), requires_grad=False)
    lane.names = {**lane.names, twin[1]: "twin"}
    for network in (module, twin, module):
        run(network)
    lane.names = {}
    kept = torch.utils.weak.WeakTensorKeyDictionary()
    kept[twin[1].weight] = True
    del twin, network
    assert len(kept) == 0


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Ordinary memory stands for pinned memory; notes how much of it was asked for, and whether pinned."""
    asked: list[tuple[int, bool]] = []

    def empty(size: int, *, dtype: torch.dtype, pin_memory: bool = False) -> Any:
        asked.append((size, pin_memory))
        return torch.zeros(size, dtype=dtype)

    monkeypatch.setattr(streaming, "_LEAST_PINNED_BYTES", 16)
    monkeypatch.setattr(streaming, "_SLAB_BYTES", 4096)
    monkeypatch.setattr(streaming.torch, "empty", empty)
    return asked


def test_pinned_memory_is_taken_in_slabs_and_keeps_the_layout(pinned: list[tuple[int, bool]]) -> None:
    memory = streaming._PinnedMemory()
    square = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    narrow, small = torch.randn(700).to(torch.float8_e4m3fn), torch.ones(2)
    large, last = torch.ones(2000), torch.ones(300)
    moved = [memory.moved(each) for each in (square, narrow, small, large, last)]
    assert pinned == [(4096, True), (8192, True)]
    assert moved[2] is small
    assert moved[0].stride() == square.stride()
    for one, other in zip(moved, (square, narrow, small, large, last), strict=True):
        assert torch.equal(one.float(), other.float())
    first, *others = (each.untyped_storage().data_ptr() for each in (moved[0], moved[1], moved[4]))
    assert others == [first, first]  # the last one fills up the first slab


def test_no_more_than_half_of_all_memory_is_pinned(
    pinned: list[tuple[int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming.psutil, "virtual_memory", lambda: SimpleNamespace(total=4 * 4096))
    memory = streaming._PinnedMemory()
    weights = [torch.ones(1000) for _ in range(3)]
    assert [memory.moved(each) is each for each in weights] == [False, False, True]


def test_memory_that_cannot_be_pinned_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    memory, weight = streaming._PinnedMemory(), torch.randn(1024, 1024)

    def refuse(*args: Any, **settings: Any) -> Any:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(streaming.torch, "empty", refuse)
    assert memory.moved(weight) is weight
    assert memory.moved(weight) is weight
    assert len(caplog.records) == 1
