"""The measurements: each takes a painter and views and returns plain numbers for the report."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.bank import sample_noise
from training.evaluate.classifier import StyleJudge, share_nearest
from training.evaluate.metrics import CHROMATIC, edge_f1, hue_distance, mean_psnr
from training.evaluate.model import load_painter
from training.gbuffer import View
from training.lora import load_lora
from training.painter import Painter
from training.styles import STYLES, Look, stylise

Numbers = dict[str, Any]
COLOURED_STYLES = ("photo", "toon", "watercolor", "neon", "blueprint", "clay")
HUE_TOLERANCE = 30.0
TWO_STYLES = ("toon", "neon")
SPEED_REPEATS = 5


def target_set(
    views: Sequence[View], own_colours: bool = False, styles: Sequence[str] = STYLES
) -> list[np.ndarray]:
    """Draw every view in every unmodified style: a list of (styles, H, W, 3)."""
    looks = [Look(style, own_colours=own_colours) for style in styles]
    return [
        np.stack([stylise(view, look, _noise(view, n, k)) for k, look in enumerate(looks)])
        for n, view in enumerate(views)
    ]


def judge_targets(judge: StyleJudge, targets: Sequence[np.ndarray]) -> float:
    """Return the judge's accuracy on true targets, its ceiling."""
    return float(np.mean([[a == b for b, a in enumerate(judge.judge(row))] for row in targets]))


def autoencoder_psnr(painter: Painter, targets: Sequence[np.ndarray]) -> Numbers:
    """Return the PSNR of the autoencoder's round trip of each style's targets, dB."""
    trips = [painter.round_trip(row) for row in targets]
    return {
        style: round(mean_psnr([(row[k], trip[k]) for row, trip in zip(targets, trips, strict=True)]), 2)
        for k, style in enumerate(STYLES)
    }


def paint_all(painter: Painter, views: Sequence[View], **options: Any) -> list[np.ndarray]:
    """Paint every view in every style."""
    return [painter.paint(view, STYLES, **options) for view in views]


def style_scores(judge: StyleJudge, painted: Sequence[np.ndarray]) -> Numbers:
    """Return accuracy, its table of confusions, and the accuracy against the next style's name."""
    table = np.zeros((len(STYLES), len(STYLES)), int)
    for row in painted:
        for wanted, found in enumerate(judge.judge(row)):
            table[wanted, found] += 1
    shifted = float(np.mean([table[k, (k + 1) % len(STYLES)] for k in range(len(STYLES))]) / len(painted))
    per_style = {style: round(float(table[k, k]) / len(painted), 3) for k, style in enumerate(STYLES)}
    accuracy = round(float(np.trace(table)) / table.sum(), 3)
    return {
        "accuracy": accuracy,
        "per_style": per_style,
        "wrong_prompt": round(shifted, 3),
        "confusion": table.tolist(),
    }


def structure(painted: Sequence[np.ndarray], views: Sequence[View]) -> Numbers:
    """Return the mean edge F1 against each view's own edges, and against another scene's of the same size."""
    own, other = [], []
    half = len(views) // 2
    for n, (row, view) in enumerate(zip(painted, views, strict=True)):
        own += [edge_f1(picture, view.edges) for picture in row]
        far_first = (*views[n + half :], *views[: max(0, n + half - len(views))])
        stranger = next((v for v in far_first if v.shape == view.shape and v is not view), None)
        other += [] if stranger is None else [edge_f1(picture, stranger.edges) for picture in row]
    return {
        "f1": round(float(np.mean(own)), 3),
        "f1_other_scene": round(float(np.mean(other)), 3) if other else None,
    }


def hue_accuracy(painter: Painter, views: Sequence[View]) -> Numbers:
    """Return in how many cases a chromatic colour word brings the mean hue within 30 degrees."""
    hits: dict[str, list[bool]] = {colour: [] for colour in CHROMATIC}
    for n, view in enumerate(views):
        pairs = [(c, COLOURED_STYLES[(n + k) % len(COLOURED_STYLES)]) for k, c in enumerate(CHROMATIC)]
        painted = painter.paint(view, [f"{c} {style}" for c, style in pairs])
        for (colour, _), picture in zip(pairs, painted, strict=True):
            hits[colour].append(hue_distance(picture, colour) <= HUE_TOLERANCE)
    per_colour = {colour: round(float(np.mean(h)), 3) for colour, h in hits.items()}
    return {"accuracy": round(float(np.mean(list(per_colour.values()))), 3), "per_colour": per_colour}


def lora_effect(folder: Path, judge: StyleJudge, views: Sequence[View]) -> Numbers:
    """Return, for each LoRA of a model, in what share of paintings its style is seen, with it and without."""
    numbers: Numbers = {}
    for file in sorted((folder / "loras").glob("*.safetensors")):
        targets = target_set(views, styles=(*STYLES, file.stem))
        without, painter = load_painter(folder), load_painter(folder)
        load_lora(painter.networks, file)
        numbers[file.stem] = {
            name: round(share_nearest(judge, [p.paint(view, [file.stem]) for view in views], targets), 3)
            for name, p in (("with", painter), ("without", without))
        }
    return numbers


def denoise_behaviour(painter: Painter, views: Sequence[View]) -> Numbers:
    """Return, for several denoise values, how far the mean colour moves from the viewport's, 0..255."""
    numbers: Numbers = {}
    for strength in (0.3, 0.6, 0.8, 1.0):
        moved = []
        for view in views:
            painted = painter.paint(view, STYLES, from_viewport=True, strength=strength)
            moved.append(np.abs(painted.mean((1, 2)) - view.color.mean((0, 1))).mean())
        numbers[f"{strength}"] = round(float(np.mean(moved)), 1)
    return numbers


def accuracy_without_prompt(painter: Painter, judge: StyleJudge, views: Sequence[View]) -> float:
    """Return the accuracy with an empty prompt for every style: what the views alone give away."""
    painted = [np.concatenate([painter.paint(view, [""])] * len(STYLES)) for view in views]
    return float(style_scores(judge, painted)["accuracy"])


def negative_prompt(painter: Painter, judge: StyleJudge, views: Sequence[View]) -> Numbers:
    """Return, for a prompt that names two styles, how often each is seen when the other is kept out."""
    numbers: Numbers = {}
    for wanted, unwanted in (TWO_STYLES, TWO_STYLES[::-1]):
        options = {"guidance_scale": 3.0, "negative": unwanted}
        found = [judge.judge(painter.paint(view, [" ".join(TWO_STYLES)], **options))[0] for view in views]
        share = np.mean([STYLES[number] == wanted for number in found])
        numbers[f"{wanted} without {unwanted}"] = round(float(share), 3)
    return numbers


def seed_effect(painter: Painter, view: View) -> float:
    """Return the mean absolute difference, 0..255, that another seed makes."""
    first, second = (painter.paint(view, STYLES, seeds=(seed,)).astype(float) for seed in (1, 2))
    return round(float(np.abs(first - second).mean()), 2)


def speed(painter: Painter, view: View) -> Numbers:
    """Return frames a second at one and four steps, batch 1, both controls, as this machine is now."""
    numbers: Numbers = {"threads": torch.get_num_threads()}
    for steps in (1, 4):
        painter.paint(view, ["toon"], steps=steps)
        times = []
        for _ in range(SPEED_REPEATS):
            started = time.perf_counter()
            painter.paint(view, ["toon"], steps=steps)
            times.append(time.perf_counter() - started)
        numbers[f"fps_{steps}_steps"] = round(1 / min(times), 2)
    return numbers


def _noise(view: View, number: int, style: int) -> np.ndarray:
    side = max(view.shape)
    return sample_noise(77, number, style, side)[:, : view.shape[0] // 4, : view.shape[1] // 4]
