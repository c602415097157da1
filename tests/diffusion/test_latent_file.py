"""Latents in files."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from bridge.diffusion import read_latents, write_latents
from bridge.errors import InputError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    latents = torch.randn(2, 4, 8, 6)
    file = tmp_path / "x.latent"
    file.write_bytes(write_latents(latents, {"prompt": "{}"}))
    assert torch.equal(read_latents(file), latents)
    with safe_open(file, "pt") as opened:
        assert opened.metadata() == {"prompt": "{}"}
        assert set(opened.keys()) == {"latent_tensor", "latent_format_version_0"}


def test_old_files_hold_scaled_latents(tmp_path: Path) -> None:
    file = tmp_path / "old.latent"
    save_file({"latent_tensor": torch.full((1, 4, 2, 2), 0.18215)}, file)
    torch.testing.assert_close(read_latents(file), torch.ones(1, 4, 2, 2))


@pytest.mark.parametrize("content", [b"", b"not a latent at all", b"\x80\x04K\x01."])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.latent"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.latent"):
        read_latents(file)


def test_other_tensors_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.latent"
    save_file({"weight": torch.zeros(3)}, file)
    with pytest.raises(InputError):
        read_latents(file)
    save_file({"latent_tensor": torch.zeros(3)}, file)
    with pytest.raises(InputError, match="shape"):
        read_latents(file)
