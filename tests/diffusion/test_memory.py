"""Networks that rest in ordinary memory while they run elsewhere; "meta" stands for the device."""

import pytest
import torch
from torch import Tensor

from bridge.diffusion.memory import ACTIVATION_BYTES, CPU_BUDGET_BYTES, room_for_weights, stream_to
from bridge.diffusion.patching import twin_of

META = torch.device("meta")


class Failing(torch.nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        assert self.weight.device == META
        raise RuntimeError("broken")


def weights(module: torch.nn.Module) -> set[str]:
    return {tensor.device.type for tensor in (*module.parameters(), *module.buffers())}


def test_layers_visit_the_device_and_nothing_is_copied_back() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).eval()
    before = [tensor.data_ptr() for tensor in (*module.parameters(), *module.buffers())]
    stream_to(META, module)
    output = module(torch.empty(2, 3, device=META))
    assert output.device == META
    assert weights(module) == {"cpu"}
    assert [tensor.data_ptr() for tensor in (*module.parameters(), *module.buffers())] == before


def test_it_computes_what_it_did() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.GELU(), torch.nn.Linear(4, 2))
    x = torch.randn(5, 3)
    expected = module(x)
    stream_to(torch.device("cpu"), module)
    assert torch.equal(module(x), expected)


def test_a_layer_that_fails_gives_its_weights_back() -> None:
    module = torch.nn.Sequential(Failing(3, 4))
    stream_to(META, module)
    with pytest.raises(RuntimeError, match="broken"):
        module(torch.empty(2, 3, device=META))
    assert weights(module) == {"cpu"}


def test_a_twin_streams_as_well() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    stream_to(META, module)
    twin = twin_of(module, ["0.weight"])
    twin[0].weight = torch.nn.Parameter(torch.zeros(4, 3))
    assert twin(torch.empty(2, 3, device=META)).device == META
    assert weights(twin) == weights(module) == {"cpu"}


def test_the_cpu_has_a_budget() -> None:
    assert room_for_weights(torch.device("cpu"), CPU_BUDGET_BYTES + 5) == -5


def test_a_gpu_keeps_room_for_what_runs_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2**29)
    assert room_for_weights(torch.device("cuda:0"), 0) == 3 * 2**30 + 2**29 - ACTIVATION_BYTES
