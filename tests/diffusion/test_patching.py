"""Networks with some weights changed."""

import functools
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from bridge.diffusion import (
    DiffusionModel,
    FreeU,
    HyperTile,
    Network,
    add_free_u,
    add_hyper_tile,
    add_perturbed_attention_guidance,
    add_self_attention_guidance,
    free,
    loaded_networks,
    multiply_attention,
)
from bridge.diffusion.patching import Change, exact_weights, patched, twin_of
from bridge.errors import UnsupportedModel
from bridge.models import Family


class Scale:
    """Multiplies one weight."""

    label = "scaled"

    def __init__(self, name: str, factor: float) -> None:
        self.names: Collection[str] = [name]
        self._factor = factor

    def changes(self) -> Mapping[str, Change]:
        return dict.fromkeys(self.names, functools.partial(torch.mul, self._factor))


class Recorder(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(4, 4, bias=False), torch.nn.Linear(4, 4, bias=False)
        torch.nn.init.ones_(self.first.weight)
        torch.nn.init.eye_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.second(self.first(x))
        return output


@pytest.fixture
def loads() -> list[str]:
    return []


@pytest.fixture
def base(loads: list[str]) -> Network[Any]:
    def load(placement: Any) -> torch.nn.Module:
        loads.append("base")
        return Recorder().to(placement.dtype)

    return Network("base", load, {"first.weight": (4, 4), "second.weight": (4, 4)})


def answer(network: Network[Any]) -> float:
    return float(network.module()(torch.ones(1, 4))[0, 0])


def test_only_the_patched_weight_is_new(base: Network[Any]) -> None:
    network = patched(base, Scale("first.weight", 3))
    mine, theirs = network.module(), base.module()
    assert mine.second is theirs.second
    assert mine.first is not theirs.first
    assert (answer(network), answer(base)) == (12, 4)


def test_a_patch_can_widen_a_weight(base: Network[Any]) -> None:
    patch = Scale("second.weight", 1)
    patch.changes = lambda: {"second.weight": lambda weight: torch.cat((weight, weight))}  # type: ignore[method-assign]
    wide = patched(patched(base, patch, {"second.weight": (8, 4)}), Scale("first.weight", 3))
    assert wide.module()(torch.ones(1, 4)).tolist() == [[12.0] * 8]
    assert wide.shapes["second.weight"] == (8, 4)
    assert wide.new_bytes == (16 + 32) * 4
    assert base.shapes["second.weight"] == base.module().second.weight.shape == (4, 4)


def test_jobs_that_alternate_do_not_disturb_each_other(base: Network[Any], loads: list[str]) -> None:
    weak, strong = (patched(base, Scale("first.weight", factor)) for factor in (2, 5))
    assert [answer(each) for each in (weak, strong, base, weak, base, strong)] == [8, 20, 4, 8, 4, 20]
    assert loads == ["base"]


def test_patches_follow_one_another_on_the_base(base: Network[Any]) -> None:
    both = patched(patched(base, Scale("first.weight", 3)), Scale("first.weight", 1 / 3))
    assert both.base is base
    assert torch.equal(both.module().first.weight, base.module().first.weight)


def test_a_patched_network_needs_nothing_before_it_is_used(base: Network[Any], loads: list[str]) -> None:
    network = patched(base, Scale("first.weight", 3))
    assert loads == []
    assert network.name == "base, scaled"
    assert network.shapes == base.shapes


def test_shared_weights_count_once_and_the_base_goes_last(base: Network[Any]) -> None:
    network = patched(base, Scale("first.weight", 3))
    network.module()
    assert [each.name for each in loaded_networks()] == ["base, scaled", "base"]
    assert network.weight_bytes == 2 * 4 * 4 * 4
    assert network.new_bytes == 4 * 4 * 4


def test_it_is_built_again_after_memory_was_given_back(base: Network[Any], loads: list[str]) -> None:
    network = patched(base, Scale("first.weight", 3))
    assert answer(network) == 12
    free()
    assert answer(network) == 12
    assert loads == ["base", "base"]


def test_exact_weights_are_not_rounded() -> None:
    half = Network(
        "half",
        lambda where: Recorder().to(where.dtype),
        {"first.weight": (4, 4)},
        place=lambda where: replace(where, dtype=torch.float16),
    )
    third = patched(half, Scale("first.weight", 1 / 3))
    assert third.module().first.weight.dtype == torch.float16
    assert float(exact_weights(third)("first.weight")[0, 0]) == pytest.approx(1 / 3, abs=1e-8)


def test_a_twin_shares_what_is_not_named() -> None:
    module = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.nn.Linear(2, 2))
    twin = twin_of(module, ["0.0.weight"])
    twin[0][0].weight = torch.nn.Parameter(torch.zeros(2, 2))
    assert twin[1] is module[1]
    assert bool(module[0][0].weight.any())


@pytest.mark.parametrize(
    "change",
    [
        functools.partial(add_free_u, settings=FreeU((1.1, 0.9), (1.2, 0.2), is_structured=False)),
        functools.partial(add_hyper_tile, tiles=HyperTile()),
        functools.partial(multiply_attention, which="self", gains=(2.0, 1.0, 1.0, 1.0)),
        functools.partial(add_perturbed_attention_guidance, scale=3.0),
        functools.partial(add_self_attention_guidance, scale=0.5, blur_sigma=2.0),
    ],
    ids=lambda change: change.func.__name__,
)
@pytest.mark.parametrize("family", [Family.SD3, Family.FLUX, Family.PIXART_SIGMA])
def test_what_changes_unets_is_refused_on_transformers(
    model: DiffusionModel, family: Family, change: Callable[[DiffusionModel], DiffusionModel]
) -> None:
    with pytest.raises(UnsupportedModel, match="works on UNets") as caught:
        change(replace(model, family=family))
    assert "Leave the node out" in caught.value.hint
