"""Pickled models turned into safetensors files."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bridge.diffusion.unpickling import main

WEIGHT = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "4x.pth"


@pytest.mark.parametrize(
    "content",
    [
        {"weight": WEIGHT},
        {"params_ema": {"weight": WEIGHT}, "params": {"weight": -WEIGHT}},
        {"id_encoder": {"weight": WEIGHT}, "lora_weights": {"weight": -WEIGHT}},
        {"epoch": 3, "state_dict": {"weight": WEIGHT, "version": "2"}},
    ],
)
def test_tensors_are_kept_under_their_names(content: Any, source: Path) -> None:
    torch.save(content, source)
    assert main([str(source)]) == 0
    tensors = load_file(source.with_suffix(".safetensors"))
    assert list(tensors) == ["weight"]
    assert torch.equal(tensors["weight"], WEIGHT)


def test_several_under_one_name_are_numbered(source: Path) -> None:
    """As in Fooocus' patches: the bytes of a difference, its least and its greatest value."""
    torch.save({"x": (WEIGHT, torch.tensor(-1.0), torch.tensor(1.0), "note")}, source)
    assert main([str(source)]) == 0
    tensors = load_file(source.with_suffix(".safetensors"))
    assert list(tensors) == ["x.0", "x.1", "x.2"]
    assert torch.equal(tensors["x.0"], WEIGHT)


def test_tensors_that_share_memory_become_two(source: Path) -> None:
    torch.save({"one": WEIGHT, "other": WEIGHT.T}, source)
    assert main([str(source)]) == 0
    assert torch.equal(load_file(source.with_suffix(".safetensors"))["other"], WEIGHT.T)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_code_is_not_run(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = source.with_name("trace")
    torch.save({"weight": WEIGHT, "evil": Evil(trace)}, source)
    assert main([str(source)]) == 1
    assert "could run code" in capsys.readouterr().err
    assert not trace.exists()
    assert not source.with_suffix(".safetensors").exists()


@pytest.mark.parametrize("data", [b"", b"<html>", b"PK\x03\x04 and no more"])
def test_what_is_no_pickle_is_said(data: bytes, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source.write_bytes(data)
    assert main([str(source)]) == 1
    assert capsys.readouterr().err.startswith('"4x.pth" is damaged')


def test_nothing_to_keep_is_said(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save([1, 2], source)
    assert main([str(source)]) == 1
    assert "holds no tensors" in capsys.readouterr().err


def test_a_file_that_is_there_is_left_alone(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"weight": WEIGHT}, source)
    target = source.with_suffix(".safetensors")
    target.write_text("mine")
    assert main([str(source)]) == 1
    assert target.read_text() == "mine"
    assert "there already" in capsys.readouterr().err


def test_a_missing_file_is_said(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source)]) == 1
    assert "4x.pth" in capsys.readouterr().err
