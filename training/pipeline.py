"""All stages of a run, each of which leaves a file or folder and is skipped when that is there.

Under the work folder: ``scenes`` and ``held`` (shards), ``models`` and ``frames`` (held-out real models),
``bank-*`` (samples), ``autoencoder.pt``, ``vae.pt`` (standardised), ``latents-*``, ``windows.pt``,
``denoiser.pt`` (small pictures), ``refined.pt`` (large ones), ``decoder.pt``, ``model`` (the export),
``loras``, ``sheet-*.png``.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn

import bridge
from training.autoencoder import autoencoder_task, freeze_encoder
from training.bank import Bank, build_bank
from training.blender import find_blender, run_in_blender
from training.colour_start import start_from_colour
from training.denoiser import Networks, denoiser_task, make_networks
from training.errors import TrainingError
from training.export import export
from training.files import save_state, write_whole
from training.latents import encode_bank, standardise
from training.loop import is_finished, load_average, train
from training.lora import attach, save_lora
from training.models_fetch import fetch_models
from training.networks import make_autoencoder
from training.recipe import Recipe
from training.sheet import write_sheet
from training.styles import LORA_STYLES
from training.task import MakeTask, Plan

TOKENIZER = Path(bridge.__file__).parent / "builtin" / "demo-sd" / "tokenizer"
HELD_SEED = 9001
RECIPE = "recipe.json"
"""What a work folder was begun with: the data and sizes of its recipe, and the commit."""


@dataclass(frozen=True)
class Run:
    """A work folder, the numbers, and how many processes may draw samples."""

    work: Path
    recipe: Recipe
    workers: int = 2

    @property
    def device(self) -> str:
        """Where networks are trained."""
        return self.recipe.autoencoder.device

    def bank(self, size: int) -> Path:
        """Folder of the samples of a size."""
        return self.work / f"bank-{size}"

    def latents(self, size: int) -> Path:
        """Folder of their latents."""
        return self.work / f"latents-{size}"


def run_all(run: Run) -> Path:
    """Run every unfinished stage; return the exported model's folder."""
    claim(run)
    render(run)
    draw_small_bank(run)
    with ThreadPoolExecutor(1) as background:
        large = background.submit(draw_large_bank, run)
        if run.device == "cpu":
            large.result()
        autoencoder = train_autoencoder(run)
        large.result()
    encode_banks(run)
    networks = train_denoiser(run)
    sharpen_decoder(run, autoencoder)
    _say("export and contact sheet")
    export(networks, autoencoder, TOKENIZER, run.work / "model")
    write_sheet(
        networks.float(), autoencoder.float(), run.work / "frames", run.work / "sheet-frames.png", TOKENIZER
    )
    train_lora(run)
    return run.work / "model"


def claim(run: Run) -> None:
    """Make the work folder, or check that it was begun with the same data and sizes.

    Raises:
        TrainingError: It was begun with another recipe.
    """
    run.work.mkdir(parents=True, exist_ok=True)
    note = run.work / RECIPE
    plain = {name: value for name, value in asdict(run.recipe).items() if not isinstance(value, dict)}
    recipe = json.loads(json.dumps({**plain, "sizes": asdict(run.recipe.sizes)}))
    if not note.exists():
        write_whole(note, json.dumps({"commit": _commit(), "recipe": recipe}, indent=2).encode())
    elif json.loads(note.read_text("utf-8"))["recipe"] != recipe:
        raise TrainingError(f"{run.work} was begun with another recipe", "Choose another folder with --out.")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"


def render(run: Run) -> None:
    """Render training scenes, held-out scenes, and frames of held-out real models."""
    recipe, scenes, held, frames = run.recipe, run.work / "scenes", run.work / "held", run.work / "frames"
    wanted = [
        (scenes, 1, recipe.shards, recipe.views),
        (held, HELD_SEED, recipe.held_shards, recipe.held_views),
    ]
    missing = [job for job in wanted if len(list(job[0].glob("scenes-????"))) < job[2]]
    if not missing and frames.exists():
        return
    python = find_blender(run.work)
    for out, seed, shards, views in missing:
        _say(f"rendering {shards} x {views} views into {out.name}")
        numbers = {"--first-seed": seed, "--shards": shards, "--views": views, "--size": recipe.view_size}
        arguments = [text for name, number in numbers.items() for text in (name, str(number))]
        run_in_blender(python, "training.scenes", ["--out", str(out), *arguments])
    if not frames.exists():
        for sentence in fetch_models(run.work / "models") if recipe.fetches_models else ():
            _say(sentence)
        size = ["--size", str(recipe.view_size)]
        arguments = ["--models", str(run.work / "models"), "--out", str(frames), *size]
        run_in_blender(python, "training.scenes.frames", arguments)


def draw_small_bank(run: Run) -> None:
    """Draw the samples of small pictures."""
    recipe = run.recipe
    _draw(run, recipe.small_size, samples=recipe.small_samples, targets=recipe.small_targets, seed=2)


def draw_large_bank(run: Run) -> None:
    """Draw the samples of large pictures."""
    recipe = run.recipe
    _draw(run, recipe.large_size, samples=recipe.large_samples, targets=recipe.large_targets, seed=3)


def _draw(run: Run, size: int, **numbers: int) -> None:
    if not run.bank(size).exists():
        _say(f"drawing {numbers['samples']} samples of {size} pixels")
        build_bank(run.work / "scenes", run.bank(size), TOKENIZER, size=size, workers=run.workers, **numbers)


def train_autoencoder(run: Run) -> AutoencoderKL:
    """Train and standardise the autoencoder, or load it."""
    checkpoint, finished = run.work / "autoencoder.pt", run.work / "vae.pt"
    torch.manual_seed(0)
    autoencoder = make_autoencoder(run.recipe.sizes)
    if not finished.exists():
        start_from_colour(autoencoder)
        bank = run.bank(run.recipe.small_size)
        _train(run, "autoencoder", autoencoder, autoencoder_task([bank]), run.recipe.autoencoder, checkpoint)
        standardise(autoencoder.cpu(), Bank.open(bank))
        save_state(autoencoder.state_dict(), finished)
    autoencoder.load_state_dict(torch.load(finished, map_location="cpu", weights_only=True))
    return autoencoder.eval()


def sharpen_decoder(run: Run, autoencoder: AutoencoderKL) -> None:
    """Train the decoder on, in place; the latents stay as they are."""
    freeze_encoder(autoencoder)
    task = autoencoder_task([run.bank(run.recipe.small_size), run.bank(run.recipe.large_size)])
    _train(run, "decoder", autoencoder, task, run.recipe.decoder, run.work / "decoder.pt")
    autoencoder.cpu().eval()


def encode_banks(run: Run) -> None:
    """Encode both banks with the finished autoencoder."""
    for size in (run.recipe.small_size, run.recipe.large_size):
        if not run.latents(size).exists():
            _say(f"encoding the samples of {size} pixels")
            _encode(run, run.bank(size), run.latents(size))


def _encode(run: Run, bank: Path, latents: Path) -> None:
    encode_bank(run.work / "vae.pt", run.recipe.sizes, bank, latents, run.device, run.workers)


def train_denoiser(run: Run) -> Networks:
    """Train on windows, then on small pictures, then on large ones, each from where the last ended."""
    recipe = run.recipe
    torch.manual_seed(0)
    networks = make_networks(recipe.sizes)
    stages = (
        ("denoiser, windows", recipe.small_size, recipe.windows, run.work / "windows.pt"),
        ("denoiser", recipe.small_size, recipe.denoiser, run.work / "denoiser.pt"),
        ("denoiser, large pictures", recipe.large_size, recipe.refine, run.work / "refined.pt"),
    )
    for name, size, plan, checkpoint in stages:
        task = denoiser_task([(run.bank(size), run.latents(size))])
        _train(run, name, networks, task, plan, checkpoint)
    return networks.cpu().eval()


def train_lora(run: Run) -> None:
    """Teach each style outside the base model to a LoRA of its own, and write it beside the model."""
    recipe = run.recipe
    for number, style in enumerate(LORA_STYLES):
        out = run.work / "model" / "loras" / f"{style}.safetensors"
        if out.exists():
            continue
        bank, latents = run.work / f"bank-{style}", run.work / f"latents-{style}"
        build_bank(
            run.work / "scenes",
            bank,
            TOKENIZER,
            samples=recipe.lora_samples,
            size=recipe.small_size,
            targets=2,
            seed=50 + number,
            workers=run.workers,
            styles=(style,),
        )
        _encode(run, bank, latents)
        networks = make_networks(recipe.sizes)
        load_average(networks, run.work / "refined.pt")
        attach(networks)
        task = denoiser_task([(bank, latents)])
        _train(run, f"LoRA {style}", networks, task, recipe.lora, run.work / f"lora-{style}.pt")
        out.parent.mkdir(exist_ok=True)
        save_lora(networks.cpu(), out)


def _train(run: Run, name: str, model: nn.Module, task: MakeTask, plan: Plan, checkpoint: Path) -> None:
    if plan.device == "cpu":
        plan = replace(plan, workers=min(plan.workers, run.workers))
    if not is_finished(checkpoint, plan):
        _say(f"training {name} on {plan.device}")
        train(model.to(plan.device), task, plan, checkpoint)
        if not is_finished(checkpoint, plan):
            raise KeyboardInterrupt
    else:
        load_average(model, checkpoint)


def _say(sentence: str) -> None:
    print(f"== {sentence}", file=sys.stderr, flush=True)
