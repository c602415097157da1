"""CLIP vision and IP-Adapter nodes on the built-in model."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from bridge.builtin import model_folder
from bridge.diffusion import DiffusionModel, Settings, encode_prompt, free, load_checkpoint, sample
from bridge.diffusion.ip_adapter.attention import cross_attentions
from bridge.engine import Folders, Job, running
from bridge.errors import BridgeError, ModelNotFound
from bridge.nodes.clip_vision import clip_vision_encode, clip_vision_loader
from bridge.nodes.ip_adapter import (
    ip_adapter_advanced,
    ip_adapter_combine_embeds,
    ip_adapter_embeds,
    ip_adapter_encoder,
    ip_adapter_model_loader,
    ip_adapter_simple,
    ip_adapter_unified_loader,
    prepare_image_for_clip_vision,
    preset_stamp,
)

WIDTH, POOLED = 64, 24
IMAGE = torch.rand(1, 40, 50, 3, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _nothing_left() -> Any:
    yield
    free()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with a tower, and an adapter for the built-in model."""
    root = tmp_path_factory.mktemp("models")
    random = np.random.default_rng(2)

    def noise(*shape: int) -> Any:
        return (random.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)

    block = {
        **{f"layer_norm{each}.{kind}": (WIDTH,) for each in (1, 2) for kind in ("weight", "bias")},
        **{f"self_attn.{each}_proj.weight": (WIDTH, WIDTH) for each in ("q", "k", "v", "out")},
        **{f"self_attn.{each}_proj.bias": (WIDTH,) for each in ("q", "k", "v", "out")},
        "mlp.fc1.weight": (96, WIDTH),
        "mlp.fc1.bias": (96,),
        "mlp.fc2.weight": (WIDTH, 96),
        "mlp.fc2.bias": (WIDTH,),
    }
    tower = {
        "vision_model.embeddings.class_embedding": (WIDTH,),
        "vision_model.embeddings.patch_embedding.weight": (WIDTH, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (5, WIDTH),
        **{f"vision_model.pre_layrnorm.{kind}": (WIDTH,) for kind in ("weight", "bias")},
        **{f"vision_model.post_layernorm.{kind}": (WIDTH,) for kind in ("weight", "bias")},
        **{f"vision_model.encoder.layers.0.{key}": shape for key, shape in block.items()},
        **{f"vision_model.encoder.layers.1.{key}": shape for key, shape in block.items()},
        "visual_projection.weight": (POOLED, WIDTH),
    }
    model, _, _ = load_checkpoint(model_folder(), "demo")
    shapes = model.unet.shapes
    keys = [shapes[f"{each.path}.to_k.weight"] for each in cross_attentions(shapes)]
    context = keys[0][1]
    adapter = {
        "image_proj.proj.weight": (4 * context, POOLED),
        "image_proj.proj.bias": (4 * context,),
        "image_proj.norm.weight": (context,),
        "image_proj.norm.bias": (context,),
    }
    for index, shape in enumerate(keys):
        adapter |= {f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight": shape for part in "kv"}
    for folder, name, parts in (("clip_vision", "tiny", tower), ("ipadapter", "tiny", adapter)):
        (root / folder).mkdir()
        save_file({key: noise(*shape) for key, shape in parts.items()}, root / folder / f"{name}.safetensors")
    return root


@pytest.fixture
def job(tmp_path: Path, models: Path) -> Job:
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (models,)))


@pytest.fixture
def opened(job: Job) -> tuple[Any, Any, Any]:
    with running(job, "1"):
        model, _, _ = load_checkpoint(model_folder(), "demo")
        return model, ip_adapter_model_loader("tiny.safetensors"), clip_vision_loader("tiny.safetensors")


ADVANCED = {"weight_type": "linear", "combine_embeds": "concat", "embeds_scaling": "V only"}


def painted(job: Job, model: DiffusionModel) -> torch.Tensor:
    _, clip, _ = load_checkpoint(model_folder(), "demo")

    async def run() -> Any:
        async with running(job, "1"):
            latents = {"samples": torch.zeros(1, 4, 8, 8)}
            prompts = (encode_prompt(clip, "a"),), (encode_prompt(clip, ""),)
            return await sample(model, *prompts, latents, Settings(1, 2, 5.0, "euler", "normal"))

    result: torch.Tensor = asyncio.run(run())["samples"]
    return result


def test_a_picture_steers_what_is_painted(job: Job, opened: tuple[Any, Any, Any]) -> None:
    model, adapter, vision = opened
    with running(job, "1"):
        steered = ip_adapter_advanced(model, adapter, IMAGE, 1.0, clip_vision=vision, **ADVANCED)
        turned_off = ip_adapter_advanced(model, adapter, IMAGE, 0.0, clip_vision=vision, **ADVANCED)
    plain = painted(job, model)
    assert torch.equal(painted(job, turned_off), plain)
    assert not torch.allclose(painted(job, steered), plain, atol=1e-3)


def test_embedding_first_is_the_same(job: Job, opened: tuple[Any, Any, Any]) -> None:
    model, adapter, vision = opened
    with running(job, "1"):
        pictures = torch.cat((IMAGE, 1 - IMAGE))
        at_once = ip_adapter_advanced(
            model, adapter, pictures, clip_vision=vision, **{**ADVANCED, "combine_embeds": "average"}
        )
        one, nothing = ip_adapter_encoder(adapter, IMAGE, clip_vision=vision)
        other, _ = ip_adapter_encoder(adapter, 1 - IMAGE, clip_vision=vision)
        both = ip_adapter_combine_embeds(one, "average", other)
        apart = ip_adapter_embeds(
            model, adapter, both, weight_type="linear", embeds_scaling="V only", neg_embed=nothing
        )
        without = ip_adapter_embeds(model, adapter, both, weight_type="linear", embeds_scaling="V only")
    expected = painted(job, at_once)
    torch.testing.assert_close(painted(job, apart), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(painted(job, without), expected, atol=1e-3, rtol=1e-3)


def test_the_simple_node_wants_the_unified_loader(job: Job, opened: tuple[Any, Any, Any]) -> None:
    model, adapter, _ = opened
    with running(job, "1"), pytest.raises(BridgeError, match="needs a CLIP vision model"):
        ip_adapter_simple(model, adapter, IMAGE, weight_type="standard")


def test_the_unified_loader_says_what_is_missing(job: Job, opened: tuple[Any, Any, Any]) -> None:
    with running(job, "1"), pytest.raises(ModelNotFound, match=r"ip-adapter-plus_sd15.*ViT-H/14"):
        ip_adapter_unified_loader(opened[0], "PLUS (high strength)")


def test_names_that_are_not_there_are_said(job: Job) -> None:
    with running(job, "1"):
        with pytest.raises(ModelNotFound, match=r'nearest: "tiny\.safetensors"'):
            ip_adapter_model_loader("tinny.safetensors")
        with pytest.raises(ModelNotFound, match=r'nearest: "tiny\.safetensors"'):
            clip_vision_loader("tinny.safetensors")


def test_stamps_follow_the_files(job: Job, models: Path) -> None:
    with running(job, "1"):
        before = (
            preset_stamp("STANDARD (medium strength)"),
            clip_vision_loader.node.fingerprint(clip_name="tiny.safetensors"),
        )
        (models / "ipadapter" / "tiny.safetensors").touch()
        assert preset_stamp("STANDARD (medium strength)") != before[0]
        assert clip_vision_loader.node.fingerprint(clip_name="tiny.safetensors") == before[1]


def test_pictures_are_embedded_and_squared(opened: tuple[Any, Any, Any]) -> None:
    vision = opened[2]
    assert clip_vision_encode(vision, IMAGE, "center").image_embeds.shape == (1, POOLED)
    middle = IMAGE[:, :, 5:45]
    squeezed = clip_vision_encode(vision, IMAGE, "none").image_embeds
    assert torch.equal(
        clip_vision_encode(vision, middle, "none").image_embeds,
        clip_vision_encode(vision, middle, "center").image_embeds,
    )
    assert not torch.equal(squeezed, clip_vision_encode(vision, IMAGE, "center").image_embeds)
    assert prepare_image_for_clip_vision(IMAGE, "LANCZOS", "top").shape == (1, 224, 224, 3)
