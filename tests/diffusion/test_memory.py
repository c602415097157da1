"""Networks that rest in ordinary memory while they run elsewhere; "meta" stands for the device."""

from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
from torch import Tensor

from bridge.diffusion import memory
from bridge.diffusion.memory import ACTIVATION_BYTES, room_for_weights, stream_to
from bridge.diffusion.patching import twin_of

META = torch.device("meta")
GIGABYTE = 2**30


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


@pytest.mark.parametrize(
    ("free", "limit", "room"),
    [
        pytest.param(12, "max", 12, id="no container"),
        pytest.param(12, str(8 * GIGABYTE), 5, id="a container, of which the networks take 3"),
        pytest.param(4, str(8 * GIGABYTE), 4, id="other programs"),
    ],
)
def test_the_cpu_has_the_room_that_is_free_and_allowed(
    free: int, limit: str, room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    monkeypatch.setattr(memory, "_CONTAINER_LIMITS", (tmp_path / "absent", tmp_path / "memory.max"))
    monkeypatch.setattr(memory, "_container_limit", memory._container_limit.__wrapped__)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free * GIGABYTE))
    expected = room * GIGABYTE - 2 * ACTIVATION_BYTES
    assert room_for_weights(torch.device("cpu"), 3 * GIGABYTE) == expected


def test_a_gpu_keeps_room_for_what_runs_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * 2**30, 8 * 2**30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 2**30)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2**29)
    assert room_for_weights(torch.device("cuda:0"), 0) == 3 * 2**30 + 2**29 - ACTIVATION_BYTES
