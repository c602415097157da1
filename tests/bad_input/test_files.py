"""Files that are not what they should be: one clear error each, and the worker paints on."""

from collections.abc import Callable

import pytest
import wiring
from files import DAMAGE
from studio import Studio

pytestmark = pytest.mark.asyncio(loop_scope="package")

SLOTS: dict[str, tuple[Callable[[str], wiring.Wiring], str]] = {
    "checkpoints": (wiring.checkpoint, "1"),
    "diffusion_models": (wiring.diffusion_model, "20"),
    "text_encoders": (wiring.text_encoder, "20"),
    "vae": (wiring.vae, "20"),
    "loras": (wiring.lora, "20"),
    "embeddings": (wiring.embedding, "2"),
    "controlnet": (wiring.controlnet, "20"),
    "ipadapter": (wiring.ip_adapter, "20"),
    "clip_vision": (wiring.clip_vision, "21"),
    "upscale_models": (wiring.upscale_model, "20"),
    "style_models": (wiring.style_model, "20"),
    "gligen": (wiring.gligen, "20"),
    "photomaker": (wiring.photomaker, "20"),
    "unCLIP": (wiring.unclip, "25"),
}
"""Folder, or a kind of checkpoint → how a file comes into a workflow, and the node that chooses it."""

FAULTS = {
    "truncated": ("model_corrupt", "is incomplete: expected .*; 100 bytes are missing", "Download it again"),
    "pickled": ("unsafe_model", "is a pickle file, which can run code", "make one: python -m"),
    "pointer": ("model_corrupt", "is a git-lfs pointer, not weights", "git lfs pull"),
    "page": ("model_corrupt", "is a web page, not weights", "Log in"),
    "empty": ("model_corrupt", "is empty", "Download it again"),
    "nan": ("model_corrupt", "holds values that are no numbers", "Download it again"),
}
"""What became of a file → code, message and hint."""


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("folder", SLOTS)
async def test_a_damaged_file_is_named_with_the_node_that_chose_it(
    studio: Studio, folder: str, damage: str
) -> None:
    wire, node_id = SLOTS[folder]
    source = "checkpoints/unclip" if folder == "unCLIP" else f"{folder}/tiny"
    studio.copy(source, f"{source.partition('/')[0]}/broken", DAMAGE[damage])
    code, message, hint = FAULTS[damage]
    await studio.refuses(wire("broken.safetensors"), code, node_id, f'"broken.*" {message}', hint)


@pytest.mark.parametrize(
    ("source", "folder", "looks_like", "hint"),
    [
        ("vae", "checkpoints", "a VAE", "vae/ and load it with VAELoader"),
        ("diffusion_models", "checkpoints", "a diffusion model without", "load it with UNETLoader"),
        ("loras", "checkpoints", "a LoRA", "load it with LoraLoader"),
        ("checkpoints", "loras", "a checkpoint", "load it with CheckpointLoaderSimple"),
        ("controlnet", "vae", "a ControlNet", "load it with ControlNetLoader"),
        ("clip_vision", "text_encoders", "a CLIP vision model", "load it with CLIPVisionLoader"),
        ("text_encoders", "clip_vision", "a text encoder", "load it with CLIPLoader"),
        ("upscale_models", "controlnet", "an upscaling model", "load it with UpscaleModelLoader"),
        ("embeddings", "upscale_models", "a textual inversion", "name it in a prompt"),
        ("ipadapter", "diffusion_models", "an IP-Adapter", "load it with IPAdapterModelLoader"),
        ("loras", "ipadapter", "a LoRA", "load it with LoraLoader"),
        ("vae", "embeddings", "a VAE", "load it with VAELoader"),
        ("gligen", "style_models", "a GLIGEN model", "load it with GLIGENLoader"),
        ("style_models", "gligen", "a style model", "load it with StyleModelLoader"),
        ("photomaker", "clip_vision", "a PhotoMaker", "load it with PhotoMakerLoader"),
        ("clip_vision", "photomaker", "a CLIP vision model", "load it with CLIPVisionLoader"),
    ],
)
async def test_a_file_of_another_kind_is_told_what_it_is_and_where_it_belongs(
    studio: Studio, source: str, folder: str, looks_like: str, hint: str
) -> None:
    wire, node_id = SLOTS[folder]
    studio.copy(f"{source}/tiny", f"{folder}/stray")
    message = f'"stray.*" is not .*; it looks like {looks_like}'
    await studio.refuses(wire("stray.safetensors"), "wrong_model_kind", node_id, message, hint)


@pytest.mark.parametrize("folder", SLOTS)
async def test_a_missing_file_is_named_with_the_nearest(studio: Studio, folder: str) -> None:
    wire, node_id = SLOTS[folder]
    problem = await studio.refusal(wire("tinny.safetensors"))
    assert (problem.code, problem.node_id) == ("model_not_found", node_id)
    assert '"tinny' in problem.message
    assert '"tiny' in problem.message + problem.hint
    assert problem.hint


async def test_a_file_that_goes_between_two_runs_is_missed(studio: Studio) -> None:
    studio.copy("vae/tiny", "vae/fleeting")
    await studio.paint(wiring.vae("fleeting.safetensors"))
    (studio.models / "vae" / "fleeting.safetensors").unlink()
    await studio.refuses(
        wiring.vae("fleeting.safetensors"), "model_not_found", "20", "fleeting", "[Pp]ut the file in vae/"
    )


@pytest.mark.parametrize(
    ("made", "code", "node_id", "message", "hint"),
    [
        (
            wiring.lora("sdxl.safetensors"),
            "model_mismatch",
            "20",
            r'"sdxl.* LoRA for SDXL; checkpoint "tiny.* belongs to Stable Diffusion 1\.x',
            "LoRA and a checkpoint of the same family",
        ),
        (
            wiring.lora("elsewhere.safetensors"),
            "model_mismatch",
            "20",
            '"elsewhere.* changes nothing in this checkpoint',
            "choose another LoRA",
        ),
        (
            wiring.controlnet("sd2.safetensors"),
            "model_mismatch",
            "5",
            r'"sd2.* made for Stable Diffusion 2\.x; checkpoint "tiny.* is Stable Diffusion 1\.x',
            "ControlNet and a checkpoint of the same family",
        ),
        (
            wiring.controlnet("sd2.safetensors", text_encoder="tiny.safetensors"),
            "model_mismatch",
            "21",
            r'"sd2.* made for Stable Diffusion 2\.x; the prompts were .* for Stable Diffusion 1\.x',
            "ControlNet and a checkpoint of the same family",
        ),
        (
            wiring.embedding("sdxl"),
            "model_unsupported",
            "2",
            'embedding "sdxl" has vectors of 768 numbers; the text encoder takes 64',
            "made for the family of this checkpoint",
        ),
        (
            wiring.text_encoder("tiny.safetensors"),
            "model_mismatch",
            "5",
            'prompts were encoded for another kind of checkpoint .* than checkpoint "tiny',
            "CLIP output of the same checkpoint",
        ),
    ],
    ids=["SDXL LoRA", "idle LoRA", "ControlNet", "ControlNet on prompts", "embedding", "text encoder"],
)
async def test_a_model_of_another_family_is_refused_with_both_named(
    studio: Studio, made: wiring.Wiring, code: str, node_id: str, message: str, hint: str
) -> None:
    await studio.refuses(made, code, node_id, message, hint)


async def test_a_lora_of_which_only_a_part_matches_is_applied_and_told(studio: Studio) -> None:
    outcome = await studio.paint(wiring.lora("partly.safetensors"))
    [warning] = outcome.finished.problems
    assert (warning.code, warning.node_id, warning.is_warning) == ("lora_in_part", "20", True)
    assert '2 of 4 tensors of the LoRA "partly.safetensors"' in warning.message
