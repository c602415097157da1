"""Write the trained networks as a diffusers folder in fp16, with a manifest of hashes."""

import hashlib
import json
import shutil
from pathlib import Path

from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline

from training.denoiser import Networks
from training.errors import TrainingError
from training.prompts import load_tokenizer
from training.styles import WORDS

LIMIT_BYTES = 40_000_000
CONTROLS = {"controlnet_depth": "depth", "controlnet_canny": "lines"}


def export(networks: Networks, autoencoder: AutoencoderKL, tokenizer: Path, out: Path) -> None:
    """Write ``out`` anew: a pipeline of Stable Diffusion, two ControlNets, and the words that it knows.

    Raises:
        TrainingError: The weights are more than may be shipped.
    """
    shutil.rmtree(out, ignore_errors=True)
    pipeline = StableDiffusionPipeline(
        vae=autoencoder.half(),
        text_encoder=networks.text.half(),
        tokenizer=load_tokenizer(tokenizer),
        unet=networks.denoiser.half(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(out)
    for folder, name in CONTROLS.items():
        getattr(networks, name).half().save_pretrained(out / folder)
    _ship_vocabulary(tokenizer, out / "tokenizer")
    (out / "words.json").write_text(json.dumps(WORDS, indent=2) + "\n", "utf-8")
    weights = sum(path.stat().st_size for path in out.rglob("*.safetensors"))
    if weights > LIMIT_BYTES:
        raise TrainingError(
            f"the weights take {weights / 1e6:.1f} MB", "At most 40 MB may be shipped: lower Sizes."
        )
    write_manifest(out)


def make_scheduler() -> EulerDiscreteScheduler:
    """Return the schedule that the model is trained on, for pipelines that read one."""
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )


def _ship_vocabulary(source: Path, folder: Path) -> None:
    """Keep vocab.json and merges.txt instead of tokenizer.json, which says the same in 2 MB more."""
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json", "LICENSE"):
        shutil.copy(source / name, folder)
    (folder / "tokenizer.json").unlink(missing_ok=True)


def write_manifest(out: Path) -> None:
    """Write the SHA-256 of every file of an export into its ``manifest.json``."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and path.name != "manifest.json")
    hashes = {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    (out / "manifest.json").write_text(json.dumps(hashes, indent=2) + "\n", "utf-8")
