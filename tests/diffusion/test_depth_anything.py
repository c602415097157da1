"""Depth Anything V2 with random weights in its authors' layout, against transformers' own network."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from bridge.diffusion.depth_anything import estimate_depth, find_depth_anything, load_depth_anything
from bridge.errors import ModelError, ModelNotFound
from bridge.models import Catalogue

AsNode = Callable[[Any], Awaitable[Any]]

WIDTH, DEPTH = 32, 4


def network(is_gated: bool = False) -> DepthAnythingForDepthEstimation:
    encoder = Dinov2Config(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=1,
        image_size=28,
        use_mask_token=False,
        use_swiglu_ffn=is_gated,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=encoder,
        reassemble_hidden_size=WIDTH,
        neck_hidden_sizes=[8, 8, 12, 12],
        fusion_hidden_size=16,
        head_hidden_size=4,
    )
    torch.manual_seed(5)
    module = DepthAnythingForDepthEstimation(config).eval()
    for parameter in module.parameters():
        parameter.data.normal_(0.05, 0.2)
    return module


def in_authors_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Written out by hand, so that the table under test is held against another."""
    stored: dict[str, Tensor] = {}
    for index in range(DEPTH):
        here, there = f"backbone.encoder.layer.{index}", f"pretrained.blocks.{index}"
        for kind in ("weight", "bias"):
            rows = [state.pop(f"{here}.attention.{part}_proj.{kind}") for part in "qkv"]
            stored[f"{there}.attn.qkv.{kind}"] = torch.cat(rows)
            stored[f"{there}.attn.proj.{kind}"] = state.pop(f"{here}.attention.o_proj.{kind}")
            if f"{here}.mlp.gate_proj.{kind}" in state:
                gated = [state.pop(f"{here}.mlp.{part}_proj.{kind}") for part in ("gate", "up")]
                stored[f"{there}.mlp.w12.{kind}"] = torch.cat(gated)
                stored[f"{there}.mlp.w3.{kind}"] = state.pop(f"{here}.mlp.down_proj.{kind}")
        for number in "12":
            stored[f"{there}.ls{number}.gamma"] = state.pop(f"{here}.layer_scale{number}.lambda1")
    for fusion in range(4):
        here, there = f"neck.fusion_stage.layers.{fusion}", f"depth_head.scratch.refinenet{4 - fusion}"
        for kind in ("weight", "bias"):
            stored[f"{there}.out_conv.{kind}"] = state.pop(f"{here}.projection.{kind}")
            for unit in "12":
                for layer in "12":
                    old = f"{here}.residual_layer{unit}.convolution{layer}.{kind}"
                    stored[f"{there}.resConfUnit{unit}.conv{layer}.{kind}"] = state.pop(old)
    for name, tensor in state.items():
        stored[_rest(name)] = tensor
    return stored


def _rest(name: str) -> str:
    for old, new in (
        ("backbone.encoder.layer.", "pretrained.blocks."),
        ("backbone.embeddings.position_embeddings", "pretrained.pos_embed"),
        ("backbone.embeddings.patch_embeddings.projection", "pretrained.patch_embed.proj"),
        ("backbone.embeddings.", "pretrained."),
        ("backbone.layernorm", "pretrained.norm"),
        ("head.conv1", "depth_head.scratch.output_conv1"),
        ("head.conv2", "depth_head.scratch.output_conv2.0"),
        ("head.conv3", "depth_head.scratch.output_conv2.2"),
    ):
        if name.startswith(old):
            return name.replace(old, new)
    for index in range(4):
        name = name.replace(f"neck.convs.{index}.", f"depth_head.scratch.layer{index + 1}_rn.")
        for kind, new in (("projection", "projects"), ("resize", "resize_layers")):
            name = name.replace(f"neck.reassemble_stage.layers.{index}.{kind}", f"depth_head.{new}.{index}")
    return name


@pytest.mark.parametrize("is_gated", [False, True])
def test_a_file_of_the_authors_is_transformers_network(tmp_path: Path, is_gated: bool) -> None:
    module = network(is_gated)
    path = tmp_path / "depth_anything_v2_vits.safetensors"
    save_file(in_authors_names(dict(module.state_dict())), path)
    pixels = torch.randn(1, 3, 42, 56, generator=torch.Generator().manual_seed(6))
    with torch.no_grad():
        expected = module(pixels).predicted_depth
        found: Any = load_depth_anything(path, "vits").module()
        torch.testing.assert_close(found(pixels).predicted_depth, expected, atol=1e-4, rtol=1e-4)


def test_a_file_of_transformers_opens_as_before_and_since_release_5(tmp_path: Path) -> None:
    state = dict(network().state_dict())
    older = {}
    for name, tensor in state.items():
        for part, old in (("q", "query"), ("k", "key"), ("v", "value")):
            name = name.replace(f".attention.{part}_proj.", f".attention.attention.{old}.")
        older[name.replace(".attention.o_proj.", ".attention.output.dense.")] = tensor
    assert older.keys() != state.keys()
    for index, each in enumerate((state, older)):
        path = tmp_path / f"{index}.safetensors"
        save_file(each, path)
        loaded = load_depth_anything(path, "vits").module().state_dict()
        assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


async def test_depth_has_the_pictures_size_and_fills_its_range(
    tmp_path: Path, as_node: AsNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" / "depth"
    folder.mkdir(parents=True)
    save_file(in_authors_names(dict(network().state_dict())), folder / "depth_anything_v2_vitb.safetensors")
    catalogue = Catalogue([tmp_path / "models"])
    monkeypatch.setattr("bridge.diffusion.depth_anything.job_catalogue", lambda: catalogue)
    image = torch.rand(2, 30, 44, 3, generator=torch.Generator().manual_seed(7))
    depth = await as_node(estimate_depth(image, "depth_anything_v2_vitb.pth"))
    assert depth.shape == (2, 30, 44)
    assert depth.amin((1, 2)).tolist() == [0, 0]
    assert depth.amax((1, 2)).tolist() == pytest.approx([1, 1])


def test_a_folder_of_transformers_is_found_by_its_size(tmp_path: Path) -> None:
    folder = tmp_path / "depth_anything" / "Depth-Anything-V2-Small-hf"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"x": torch.ones(1)}, folder / "model.safetensors")
    found, name = find_depth_anything(Catalogue([tmp_path]), "depth_anything_v2_vits.pth")
    assert (found.name, name) == ("model.safetensors", folder.name)


def test_without_the_file_it_is_not_found_and_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound) as told:
        find_depth_anything(Catalogue([tmp_path]), "depth_anything_v2_vitl.pth")
    assert told.value.code == "model_not_found"
    assert "depth_anything_v2_vitl.pth" in told.value.hint


def test_another_network_is_refused(tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(ModelError) as refused:
        load_depth_anything(tmp_path / "x.safetensors", "x")
    assert refused.value.code == "wrong_model_kind"
