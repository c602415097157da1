"""Measure a model: ``python -m training.evaluate [--model DIR] [--work DIR] [--json]``.

Held-out scenes and frames of real models are painted and judged. What is not in the work folder yet is
rendered first (it may be that of ``python -m training``), and the judge of styles is trained there once.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from bridge.builtin import model_folder
from training.bank import build_bank
from training.errors import TrainingError
from training.evaluate import measure
from training.evaluate.classifier import STEPS, StyleJudge, style_distance, trained_judge
from training.evaluate.model import load_painter
from training.gbuffer import Shard, View, open_shards
from training.painter import Painter
from training.pipeline import TOKENIZER, Run, render
from training.recipe import EVALUATION
from training.styles import STYLES

VIEWS = 12
JUDGE_SAMPLES, JUDGE_SIZE = 300, 128

CONTROLS: dict[str, dict[str, Any]] = {
    "depth": {"lines": 0.0},
    "lines": {"depth": 0.0},
    "none": {"depth": 0.0, "lines": 0.0},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "1 step": {"steps": 1},
    "2 steps": {"steps": 2},
    "4 steps": {},
    "8 steps": {"steps": 8},
    "lcm": {"sampler": "lcm"},
    "dpmpp_2m": {"sampler": "dpmpp_2m"},
    "denoise 0.6": {"from_viewport": True, "strength": 0.6},
    "denoise 1.0": {"from_viewport": True},
}
"""Everything else is four Euler steps from an empty latent with both controls."""


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("training-work"))
    parser.add_argument("--model", type=Path, default=model_folder(), help="default: the one that ships")
    parser.add_argument("--views", type=int, default=VIEWS, help="views of each kind")
    parser.add_argument("--judge-steps", type=int, default=STEPS, help="training steps of a new judge")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    try:
        report = evaluate(options.model, options.work.resolve(), options.views, options.judge_steps)
    except TrainingError as error:
        print(f"error: {error}\n{error.hint}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print_table(report)
    return 0


def evaluate(model: Path, work: Path, count: int, judge_steps: int = STEPS) -> measure.Numbers:
    """Take every measurement; ``count`` views of each kind."""
    painter = load_painter(model)
    render(Run(work, EVALUATION))
    judge = trained_judge(_judge_bank(work), work / "judge.pt", judge_steps)
    procedural, blender = _procedural_views(work / "held", count), _blender_views(work / "frames", count)
    few = blender[:: max(1, len(blender) // max(1, count // 3))]
    report: measure.Numbers = {"model": str(model), "views": len(blender), "views_of_variants": len(few)}
    report |= _quality("procedural", painter, judge, procedural)
    report |= _quality("blender", painter, judge, blender)
    report["edge_f1"] = report["structure_blender"]["f1"]
    report["controls"] = {name: _variant(painter, judge, few, weights) for name, weights in CONTROLS.items()}
    report["settings"] = {name: _variant(painter, judge, few, setting) for name, setting in SETTINGS.items()}
    hues = measure.hue_accuracy(painter, few)
    report["hue_accuracy"], report["hue"] = hues["accuracy"], hues["per_colour"]
    report["colour_moved_by_denoise"] = measure.denoise_behaviour(painter, few[:2])
    report["variety"] = measure.variety(painter, few[0])
    torch.set_num_threads(2)
    report["speed_256"] = measure.speed(painter, few[0])
    return report


def _quality(kind: str, painter: Painter, judge: StyleJudge, views: Sequence[View]) -> measure.Numbers:
    """Measure style, structure and autoencoder on one kind of views, at four steps."""
    targets, painted = measure.target_set(views), measure.paint_all(painter, views)
    scores = measure.style_scores(judge, painted)
    structure = measure.structure(painted, views)
    return {
        f"style_accuracy_{kind}": scores.pop("accuracy"),
        f"style_{kind}": {**scores, "ceiling": round(measure.judge_targets(judge, targets), 3)},
        f"structure_{kind}": {**structure, "targets": measure.structure(targets, views)["f1"]},
        f"autoencoder_psnr_{kind}": measure.autoencoder_psnr(painter, targets),
    }


def _variant(
    painter: Painter, judge: StyleJudge, views: Sequence[View], options: Mapping[str, Any]
) -> measure.Numbers:
    painted = measure.paint_all(painter, views, **options)
    return {
        "accuracy": measure.style_scores(judge, painted)["accuracy"],
        "style_distance": round(style_distance(judge, painted, measure.target_set(views)), 4),
        **measure.structure(painted, views),
    }


def _judge_bank(work: Path) -> Path:
    """Draw targets of scenes that are not the held-out ones, every style as often as the others."""
    bank = work / "bank-judge"
    build_bank(
        work / "scenes",
        bank,
        TOKENIZER,
        samples=JUDGE_SAMPLES,
        size=JUDGE_SIZE,
        targets=len(STYLES),
        seed=7,
        workers=2,
    )
    return bank


def _procedural_views(folder: Path, count: int) -> list[View]:
    shards = open_shards(folder)
    return [shards[n % len(shards)].view(n // len(shards)) for n in range(count)]


def _blender_views(folder: Path, count: int) -> list[View]:
    shard = Shard.open(folder)
    chosen = np.linspace(0, len(shard) - 1, min(count, len(shard))).round().astype(int)
    return [shard.view(int(n)) for n in chosen]


def _print_table(report: measure.Numbers) -> None:
    table = Table("measure", "value")
    for name, value in report.items():
        table.add_row(name, json.dumps(value) if isinstance(value, dict) else str(value))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
