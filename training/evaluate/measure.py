"""The measurements: each takes a painter and views and returns plain numbers for the report."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.bank import sample_noise
from training.evaluate.classifier import StyleJudge
from training.evaluate.metrics import CHROMATIC, edge_f1, hue_distance, mean_psnr
from training.gbuffer import View
from training.painter import Painter
from training.styles import STYLES, Look, stylise

Numbers = dict[str, Any]
COLOURED_STYLES = ("photo", "toon", "watercolor", "neon", "blueprint", "clay")
HUE_TOLERANCE = 30.0


def target_set(views: Sequence[View]) -> list[np.ndarray]:
    """Draw every view in every unmodified style: a list of (styles, H, W, 3)."""
    return [
        np.stack(
            [stylise(view, Look(s, own_colours=False), _noise(view, n, k)) for k, s in enumerate(STYLES)]
        )
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
    """Return the mean edge F1 against each view's own edges, and against another view's of the same size."""
    own = [edge_f1(p, view.edges) for row, view in zip(painted, views, strict=True) for p in row]
    others = [
        next((other for other in (*views[n + 1 :], *views[:n]) if other.shape == view.shape), None)
        for n, view in enumerate(views)
    ]
    other = [
        edge_f1(p, view.edges)
        for row, view in zip(painted, others, strict=True)
        if view is not None
        for p in row
    ]
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


def variety(painter: Painter, view: View) -> Numbers:
    """Return mean absolute differences, 0..255: other seed, same seed, negative prompt, strength 0."""
    first = painter.paint(view, STYLES, seeds=(1,)).astype(float)
    free = painter.paint(view, STYLES, depth=0.0, lines=0.0).astype(float)
    guided = {"guidance_scale": 2.0}
    plain = painter.paint(view, STYLES, **guided).astype(float)
    against = painter.paint(view, STYLES, negative="neon", **guided).astype(float)
    pairs = {
        "other_seed": (first, painter.paint(view, STYLES, seeds=(2,))),
        "same_seed": (first, painter.paint(view, STYLES, seeds=(1,))),
        "negative_prompt": (plain, against),
        "no_controls": (first, free),
    }
    return {name: round(float(np.abs(a - b).mean()), 2) for name, (a, b) in pairs.items()}


def speed(painter: Painter, view: View, repeats: int = 3) -> Numbers:
    """Return frames a second at one and four steps, batch 1, both controls, as this machine is now."""
    numbers: Numbers = {"threads": torch.get_num_threads()}
    for steps in (1, 4):
        painter.paint(view, ["toon"], steps=steps)
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            painter.paint(view, ["toon"], steps=steps)
            times.append(time.perf_counter() - started)
        numbers[f"fps_{steps}_steps"] = round(1 / min(times), 2)
    return numbers


def _noise(view: View, number: int, style: int) -> np.ndarray:
    side = max(view.shape)
    return sample_noise(77, number, style, side)[:, : view.shape[0] // 4, : view.shape[1] // 4]
