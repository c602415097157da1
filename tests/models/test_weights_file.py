"""Finding the weights of a network in its folder."""

from pathlib import Path

import pytest

from bridge.errors import ModelError
from bridge.models import weights_file


def test_half_precision_variants_are_found(tmp_path: Path) -> None:
    file = tmp_path / "model.fp16.safetensors"
    file.touch()
    assert weights_file(tmp_path, "model") == file
    full = tmp_path / "model.safetensors"
    full.touch()
    assert weights_file(tmp_path, "model") == full


def test_no_weights_are_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        weights_file(tmp_path, "model")
    assert caught.value.code == "model_corrupt"
