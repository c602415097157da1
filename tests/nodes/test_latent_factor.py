"""Workflows give pictures of the size asked for, whatever the latent factor of the checkpoint."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from bridge.diffusion import free, read_latents
from bridge.engine import Cache, Folders, Job, NodeLibrary, execute
from bridge.errors import ModelError
from bridge.graph import parse_workflow, validate
from bridge.models import Catalogue
from bridge.nodes import load

WIDTH, HEIGHT = 64, 48
LEVELS = {4: 3, 8: 4}
ENCODER = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "cross_attention_dim": 16,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}
COMMON: Mapping[str, Any] = {
    "checkpoint": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny"}},
    "prompt": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["checkpoint", 1]}},
    "empty": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": WIDTH, "height": HEIGHT, "batch_size": 1},
    },
    "sampler": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["checkpoint", 0],
            "seed": 1,
            "steps": 2,
            "cfg": 2.0,
            "sampler_name": "euler",
            "scheduler": "normal",
            "positive": ["prompt", 0],
            "negative": ["prompt", 0],
            "latent_image": ["empty", 0],
            "denoise": 1.0,
        },
    },
    "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["sampler", 0], "vae": ["checkpoint", 2]}},
    "picture": {"class_type": "SaveImage", "inputs": {"images": ["decoded", 0], "filename_prefix": "p"}},
    "latents": {
        "class_type": "SaveLatent",
        "inputs": {"samples": ["sampler", 0], "filename_prefix": "%width%x%height%"},
    },
}


@pytest.fixture(scope="module")
def library() -> Iterator[NodeLibrary]:
    yield load({"device": "cpu"})
    free()


@pytest.fixture(scope="module", params=sorted(LEVELS), ids="f{}".format)
def factor(request: pytest.FixtureRequest) -> int:
    value: int = request.param
    return value


@pytest.fixture(scope="module")
def models(factor: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint in diffusers' folders, and ControlNets of either factor."""
    root = tmp_path_factory.mktemp("models")
    levels = LEVELS[factor]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=(8,) * levels,
            norm_num_groups=4,
            mid_block_add_attention=False,
        )
        text = CLIPTextConfig(
            vocab_size=49408,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
        parts = {
            "checkpoints/tiny/unet": UNet2DConditionModel(
                **ENCODER, up_block_types=("UpBlock2D", "CrossAttnUpBlock2D")
            ),
            "checkpoints/tiny/vae": vae,
            "checkpoints/tiny/text_encoder": CLIPTextModel(text),
            "controlnet/f4": controlnet((4, 8, 8)),
            "controlnet/f8": controlnet((4, 8, 8, 8)),
        }
    for name, part in parts.items():
        part.save_pretrained(root / name)
    (root / "checkpoints" / "tiny" / "model_index.json").write_text("{}")
    return root


def controlnet(hint: tuple[int, ...]) -> ControlNetModel:
    network = ControlNetModel(**ENCODER, conditioning_embedding_out_channels=hint)
    for layer in (*network.controlnet_down_blocks, network.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight)  # zero at first, and nothing would steer
    return network


@pytest.fixture
def job(models: Path, tmp_path: Path) -> Job:
    pixels = torch.randint(0, 256, (HEIGHT, WIDTH, 3), generator=torch.Generator().manual_seed(0))
    Image.fromarray(pixels.to(torch.uint8).numpy()).save(tmp_path / "picture.png")
    return Job("job", Folders(tmp_path, tmp_path, tmp_path, tmp_path, (models,)))


async def run(library: NodeLibrary, job: Job, **more: Any) -> torch.Tensor:
    """Run the workflow with more or other nodes; check the picture's size and return the latents."""
    catalogue = Catalogue(job.folders.models)

    def names(folder: str) -> list[str]:
        return ["picture.png"] if folder == "input" else catalogue.names(folder)

    checked = validate(
        parse_workflow(json.loads(json.dumps({**COMMON, **more}))), library.registry.definitions, names
    )
    assert not checked.problems
    outcome = await execute(checked.workflow, checked.outputs, library.registry, Cache(2**30), job)
    [saved] = outcome.shown["picture"]["images"]
    with Image.open(job.folders.output / saved["filename"]) as picture:
        assert picture.size == (WIDTH, HEIGHT)
    [saved] = outcome.shown["latents"]["latents"]
    assert saved["filename"].startswith(f"{WIDTH}x{HEIGHT}_")
    return read_latents(job.folders.output / saved["filename"])


def sampler(**changes: Any) -> dict[str, Any]:
    inputs = {**COMMON["sampler"]["inputs"], **changes}
    return {"class_type": "KSampler", "inputs": inputs}


def steered(name: str) -> dict[str, Any]:
    """Nodes that put a ControlNet into the workflow."""
    return {
        "file": {"class_type": "LoadImage", "inputs": {"image": "picture.png"}},
        "network": {"class_type": "ControlNetLoader", "inputs": {"control_net_name": name}},
        "control": {
            "class_type": "ControlNetApply",
            "inputs": {
                "conditioning": ["prompt", 0],
                "control_net": ["network", 0],
                "image": ["file", 0],
                "strength": 1.0,
            },
        },
        "sampler": sampler(positive=["control", 0]),
    }


async def test_from_nothing(library: NodeLibrary, job: Job, factor: int) -> None:
    latents = await run(library, job)
    assert latents.shape == (1, 4, HEIGHT // factor, WIDTH // factor)


async def test_with_the_advanced_sampler(library: NodeLibrary, job: Job) -> None:
    inputs = {key: value for key, value in sampler()["inputs"].items() if key not in ("seed", "denoise")}
    inputs |= {
        "add_noise": "enable",
        "noise_seed": 1,
        "start_at_step": 0,
        "end_at_step": 10_000,
        "return_with_leftover_noise": "disable",
    }
    latents = await run(library, job, sampler={"class_type": "KSamplerAdvanced", "inputs": inputs})
    assert torch.equal(latents, await run(library, job))


async def test_from_a_picture(library: NodeLibrary, job: Job, factor: int) -> None:
    latents = await run(
        library,
        job,
        file={"class_type": "LoadImage", "inputs": {"image": "picture.png"}},
        encoded={"class_type": "VAEEncode", "inputs": {"pixels": ["file", 0], "vae": ["checkpoint", 2]}},
        sampler=sampler(latent_image=["encoded", 0], denoise=0.5),
    )
    assert latents.shape == (1, 4, HEIGHT // factor, WIDTH // factor)


async def test_a_controlnet_of_the_same_factor_steers(library: NodeLibrary, job: Job, factor: int) -> None:
    latents = await run(library, job, **steered(f"f{factor}"))
    assert latents.shape == (1, 4, HEIGHT // factor, WIDTH // factor)
    assert not torch.allclose(latents, await run(library, job), atol=1e-2)


async def test_a_controlnet_of_another_factor_is_refused(library: NodeLibrary, job: Job, factor: int) -> None:
    [other] = set(LEVELS) - {factor}
    with pytest.raises(ModelError, match=f'ControlNet "f{other}"') as caught:
        await run(library, job, **steered(f"f{other}"))
    assert caught.value.code == "model_mismatch"
    assert caught.value.node_id == "sampler"
