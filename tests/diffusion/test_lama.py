"""LaMa with random weights in the layout of ``big-lama``, and its spectral convolution in closed form."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from bridge.diffusion.lama import SIDE, FourierUnit, inpaint, lay_into, load_inpaint_model
from bridge.engine import Job
from bridge.errors import Interrupted, ModelError, UnsupportedModel

AsNode = Callable[[Any], Any]

WIDTH, BLOCKS = 4, 2
DEEP = WIDTH * 8
LOCAL, SEEING = DEEP // 4, DEEP // 4 * 3


def lama_weights() -> dict[str, Tensor]:
    """In the names of ``big-lama``, with fewer channels and blocks."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, channels: int) -> None:
        shapes.update(
            {f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")}
        )
        shapes[f"{name}.num_batches_tracked"] = ()

    def convolution(name: str, inputs: tuple[int, int], outputs: tuple[int, int], side: int) -> None:
        shapes[f"{name}.ffc.convl2l.weight"] = (outputs[0], inputs[0], side, side)
        norm(f"{name}.bn_l", outputs[0])
        if outputs[1]:
            shapes[f"{name}.ffc.convl2g.weight"] = (outputs[1], inputs[0], side, side)
            norm(f"{name}.bn_g", outputs[1])
        if inputs[1]:
            half = inputs[1] // 2
            shapes[f"{name}.ffc.convg2l.weight"] = (outputs[0], inputs[1], side, side)
            spectral = f"{name}.ffc.convg2g"
            shapes[f"{spectral}.conv1.0.weight"] = (half, inputs[1], 1, 1)
            norm(f"{spectral}.conv1.1", half)
            shapes[f"{spectral}.fu.conv_layer.weight"] = (2 * half, 2 * half, 1, 1)
            norm(f"{spectral}.fu.bn", 2 * half)
            shapes[f"{spectral}.conv2.weight"] = (inputs[1], half, 1, 1)

    convolution("1", (4, 0), (WIDTH, 0), 7)
    convolution("2", (WIDTH, 0), (2 * WIDTH, 0), 3)
    convolution("3", (2 * WIDTH, 0), (4 * WIDTH, 0), 3)
    convolution("4", (4 * WIDTH, 0), (LOCAL, SEEING), 3)
    for block in range(BLOCKS):
        for part in ("conv1", "conv2"):
            convolution(f"{5 + block}.{part}", (LOCAL, SEEING), (LOCAL, SEEING), 3)
    place = 5 + BLOCKS + 1
    for factor in (4, 2, 1):
        shapes[f"{place}.weight"] = (2 * factor * WIDTH, factor * WIDTH, 3, 3)
        shapes[f"{place}.bias"] = (factor * WIDTH,)
        norm(str(place + 1), factor * WIDTH)
        place += 3
    shapes[f"{place + 1}.weight"], shapes[f"{place + 1}.bias"] = (3, WIDTH, 7, 7), (3,)
    return {
        f"model.model.{name}": torch.rand(shape, generator=generator) * (0.5 if name.endswith("var") else 0.1)
        for name, shape in shapes.items()
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(lama_weights(), tmp_path / "big-lama.safetensors")
    return tmp_path / "big-lama.safetensors"


async def test_a_mask_is_filled_and_the_rest_is_left(file: Path, as_node: AsNode) -> None:
    model = load_inpaint_model(file, "big-lama")
    image = torch.rand(2, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(1))
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 100:140, 60:120] = 1
    filled = await as_node(inpaint(model, image, mask))
    kept = (mask == 0)[..., None].expand_as(image)
    torch.testing.assert_close(filled[kept], image[kept])
    assert not torch.allclose(filled[~kept], image[~kept], atol=0.05)
    assert filled.min() >= 0
    assert filled.max() <= 1


def test_every_tensor_of_a_file_is_used(file: Path) -> None:
    names = {name.removeprefix("model.model.") for name in lama_weights()}
    state = load_inpaint_model(file, "big-lama").network.module().state_dict()
    missing = names - {name.removeprefix("layers.") for name in state}
    assert {name.rpartition(".")[2] for name in missing} == {"num_batches_tracked"}


def test_other_prefixes_open_too(tmp_path: Path) -> None:
    renamed = {f"generator.{name.removeprefix('model.')}": each for name, each in lama_weights().items()}
    save_file(renamed, tmp_path / "lama.safetensors")
    load_inpaint_model(tmp_path / "lama.safetensors", "lama").network.module()


def test_the_spectrum_is_convolved_as_the_paper_says() -> None:
    """With a convolution that swaps real and imaginary parts, a picture's spectrum turns by itself."""
    unit = FourierUnit(1)
    x = torch.rand(1, 1, 6, 8, generator=torch.Generator().manual_seed(2)) * 0.1
    with torch.no_grad():
        unit.conv_layer.weight.copy_(torch.tensor([[0.0, 1.0], [1.0, 0.0]])[..., None, None])
        for values, value in ((unit.bn.weight, 1), (unit.bn.bias, 0), (unit.bn.running_mean, 0)):
            values.fill_(value)
        unit.bn.running_var.fill_(1)
    spectrum = torch.fft.rfftn(x, dim=(-2, -1), norm="ortho")
    scale = (1 + 1e-5) ** -0.5
    turned = torch.complex((spectrum.imag * scale).relu(), (spectrum.real * scale).relu())
    expected = torch.fft.irfftn(turned, s=(6, 8), dim=(-2, -1), norm="ortho")
    torch.testing.assert_close(unit(x), expected)


def test_a_filled_square_goes_back_to_where_the_mask_selects_fully() -> None:
    image, filled = torch.zeros(1, 40, 60, 3), torch.ones(1, 16, 16, 3)
    mask = torch.zeros(1, 40, 60)
    mask[:, 10:20], mask[:, 20:30] = 1, 0.9
    result = lay_into(image, filled, mask)
    torch.testing.assert_close(result[:, 10:20], torch.ones(1, 10, 60, 3))
    assert (result[:, 20:] == 0).all()


def test_mat_and_others_are_refused(tmp_path: Path) -> None:
    mat, other = tmp_path / "mat.safetensors", tmp_path / "other.safetensors"
    save_file({"synthesis.first_stage.conv_first.conv.resample_filter": torch.ones(4, 4)}, mat)
    save_file({"weight": torch.ones(2)}, other)
    with pytest.raises(UnsupportedModel, match="MAT"):
        load_inpaint_model(mat, "mat")
    with pytest.raises(ModelError) as refused:
        load_inpaint_model(other, "other")
    assert refused.value.code == "wrong_model_kind"


async def test_filling_can_be_cancelled(file: Path, as_node: AsNode, job: Job) -> None:
    job.cancel()
    model = load_inpaint_model(file, "big-lama")
    with pytest.raises(Interrupted):
        await as_node(inpaint(model, torch.zeros(1, 32, 32, 3), torch.ones(1, 32, 32)))
