"""ncnn files turned into safetensors files."""

import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from bridge.errors import ModelError
from bridge.models import convert_ncnn, is_ncnn

HALF = struct.pack("<I", 0x01306B47)


def convolution(outputs: int, inputs: int, start: float) -> tuple[str, bytes, np.ndarray, np.ndarray]:
    weight = np.arange(outputs * inputs * 9, dtype=np.float16).reshape(outputs, inputs, 3, 3) / 8 + start
    bias = np.arange(outputs, dtype=np.float32) - start
    line = f"Convolution name 1 1 a b 0={outputs} 1=3 4=1 5=1 6={weight.size} 9=2 -23310=1,2.000000e-01"
    padding = b"\0" * (-weight.nbytes % 4)
    return line, HALF + weight.tobytes() + padding + bias.tobytes(), weight, bias


def write(folder: Path, lines: list[str], data: bytes) -> Path:
    path = folder / "model.bin"
    path.write_bytes(data)
    text = ["7767517", f"{len(lines)} 1", "Input in 0 1 data", *lines, "BinaryOp add 2 1 a b c"]
    path.with_suffix(".param").write_text("\n".join(text) + "\n")
    return path


def compact(folder: Path) -> Path:
    first, second = convolution(2, 3, 0.0), convolution(3, 1, 5.0)  # 27 halves: padded to 4 bytes
    slopes = np.array([0.25, 0.5], np.float32)
    lines = [first[0], "PReLU name 1 1 b c 0=2", second[0]]
    return write(folder, lines, first[1] + slopes.tobytes() + second[1])


def test_layers_get_the_names_of_the_compact_network(tmp_path: Path) -> None:
    source, target = compact(tmp_path), tmp_path / "out.safetensors"
    assert is_ncnn(source)
    convert_ncnn(source, target)
    tensors = load_file(target)
    assert set(tensors) == {"body.0.weight", "body.0.bias", "body.1.weight", "body.2.weight", "body.2.bias"}
    _, _, weight, bias = convolution(3, 1, 5.0)
    np.testing.assert_array_equal(tensors["body.2.weight"], weight)
    np.testing.assert_array_equal(tensors["body.2.bias"], bias)
    np.testing.assert_array_equal(tensors["body.1.weight"], [0.25, 0.5])


def test_layers_get_the_names_of_real_esrgan(tmp_path: Path) -> None:
    parts = [convolution(1, 1, float(index)) for index in range(21)]
    source = write(tmp_path, [part[0] for part in parts], b"".join(part[1] for part in parts))
    convert_ncnn(source, tmp_path / "out.safetensors")
    tensors = load_file(tmp_path / "out.safetensors")
    order = ["conv_first", "body.0.rdb1.conv1", "body.0.rdb3.conv5", "conv_body", "conv_up2", "conv_last"]
    assert [float(tensors[f"{name}.weight"][0, 0, 0, 0]) for name in order] == [0, 1, 15, 16, 18, 20]


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        (slice(None, -1), "end too soon"),
        (slice(4, None), "float16"),
    ],
)
def test_damaged_weights_are_refused(tmp_path: Path, cut: slice, fault: str) -> None:
    source = compact(tmp_path)
    source.write_bytes(source.read_bytes()[cut])
    with pytest.raises(ModelError, match=fault) as caught:
        convert_ncnn(source, tmp_path / "out.safetensors")
    assert caught.value.code == "model_corrupt"
    assert not (tmp_path / "out.safetensors").exists()


def test_weights_left_over_are_refused(tmp_path: Path) -> None:
    source = compact(tmp_path)
    source.write_bytes(source.read_bytes() + b"more")
    with pytest.raises(ModelError, match="more weights than layers"):
        convert_ncnn(source, tmp_path / "out.safetensors")


@pytest.mark.parametrize(
    "text", ["", "7767517\n1 1\nConvolution a 1 1 b c 0=x", "7767517\n1 1\nConvolution a 1 1", "7\n1 1\n"]
)
def test_a_strange_description_is_refused(tmp_path: Path, text: str) -> None:
    source = compact(tmp_path)
    source.with_suffix(".param").write_text(text)
    with pytest.raises(ModelError, match="no ncnn model"):
        convert_ncnn(source, tmp_path / "out.safetensors")


def test_another_network_is_refused(tmp_path: Path) -> None:
    parts = [convolution(1, 1, float(index)) for index in range(9)]
    source = write(tmp_path, [part[0] for part in parts], b"".join(part[1] for part in parts))
    with pytest.raises(ModelError, match="known upscaling network"):
        convert_ncnn(source, tmp_path / "out.safetensors")


def test_a_bin_file_alone_is_none(tmp_path: Path) -> None:
    (tmp_path / "pytorch_model.bin").touch()
    assert not is_ncnn(tmp_path / "pytorch_model.bin")
