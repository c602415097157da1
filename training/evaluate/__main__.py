"""Measure a model: ``python -m training.evaluate [--model DIR] [--work DIR] [--json]``.

Held-out scenes and frames of real models are rendered into the work folder, a judge of styles is trained
there, once, and what the model paints of them is measured.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from bridge.builtin import model_folder
from training.bank import build_bank
from training.errors import exit_status
from training.evaluate import classifier, measure
from training.evaluate.classifier import StyleJudge, style_distance, trained_judge
from training.evaluate.model import load_painter
from training.gbuffer import Shard, View, open_shards
from training.painter import Painter
from training.pipeline import TOKENIZER, Run, claim, render
from training.recipe import EVALUATION
from training.styles import STYLES

Thing = TypeVar("Thing")

VIEWS, VIEWS_OF_VARIANTS = 10, 3
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
    "viewport, denoise 1": {"from_viewport": True},
}
"""Everything else is four Euler steps from an empty latent with both controls."""

KEEPING: dict[str, dict[str, Any]] = {
    "viewport, denoise 0.6, 3 steps": {"from_viewport": True, "strength": 0.6, "steps": 3}
}
"""Settings that keep the scene's own colours."""


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("evaluation-work"), help="default: %(default)s")
    parser.add_argument("--model", type=Path, default=model_folder(), help="default: the one that ships")
    parser.add_argument("--views", type=int, default=VIEWS, help="views of each kind (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    report = evaluate(options.model, options.work.resolve(), options.views)
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        _print_table(report)


def evaluate(model: Path, work: Path, count: int) -> measure.Numbers:
    """Take every measurement; ``count`` views of each kind.

    Raises:
        TrainingError: There is no such model, or no Blender.
    """
    painter = load_painter(model)
    run = Run(work, EVALUATION)
    claim(run)
    render(run)
    judge = judge_of(work)
    procedural, blender = _procedural_views(work / "held", count), _blender_views(work / "frames", count)
    few = _spread(blender, VIEWS_OF_VARIANTS)
    report: measure.Numbers = {"views": len(blender), "views_of_variants": len(few)}
    report |= _quality("procedural", painter, judge, procedural)
    report |= _quality("blender", painter, judge, blender)
    report["edge_f1"] = report["structure_blender"]["f1"]
    report["controls"] = {name: _variant(painter, judge, few, weights) for name, weights in CONTROLS.items()}
    report["settings"] = {
        name: _variant(painter, judge, few, setting, keeps_colours=name in KEEPING)
        for name, setting in {**SETTINGS, **KEEPING}.items()
    }
    hues = measure.hue_accuracy(painter, few)
    report["hue_accuracy"], report["hue"] = hues["accuracy"], hues["per_colour"]
    report["style_accuracy_without_prompt"] = measure.accuracy_without_prompt(painter, judge, few)
    report["negative_prompt"] = measure.negative_prompt(painter, judge, few)
    report["lora"] = measure.lora_effect(model, judge, few)
    report["colour_moved_by_denoise"] = measure.denoise_behaviour(painter, few[:2])
    report["moved_by_another_seed"] = measure.seed_effect(painter, few[0])
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
    painter: Painter,
    judge: StyleJudge,
    views: Sequence[View],
    options: Mapping[str, Any],
    keeps_colours: bool = False,
) -> measure.Numbers:
    painted, targets = measure.paint_all(painter, views, **options), measure.target_set(views, keeps_colours)
    return {
        "accuracy": measure.style_scores(judge, painted)["accuracy"],
        "style_distance": round(style_distance(judge, painted, targets), 4),
        **measure.structure(painted, views),
    }


def judge_of(work: Path) -> StyleJudge:
    """Train the judge on scenes that are not the held-out ones, or load the one of the same styles."""
    code = [
        *sorted((Path(__file__).parent.parent / "styles").glob("*.py")),
        Path(classifier.__file__),
    ]
    version = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:12]
    bank = work / f"bank-{version}"
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
    return trained_judge(bank, work / f"judge-{version}.pt")


def _procedural_views(folder: Path, count: int) -> list[View]:
    """Take views of all shards in turn, spread over each so that they show different scenes."""
    shards = open_shards(folder)
    each = -(-count // len(shards))
    return [shards[n % len(shards)].view(n // len(shards) * len(shards[0]) // each) for n in range(count)]


def _blender_views(folder: Path, count: int) -> list[View]:
    shard = Shard.open(folder)
    return [shard.view(n) for n in _spread(range(len(shard)), count)]


def _spread(things: Sequence[Thing], count: int) -> list[Thing]:
    """Take so many things, evenly spread from the first to the last."""
    chosen = np.linspace(0, len(things) - 1, min(count, len(things))).round().astype(int)
    return [things[int(n)] for n in chosen]


def _print_table(report: measure.Numbers) -> None:
    table = Table("measure", "value")
    for name, value in report.items():
        table.add_row(name, json.dumps(value) if isinstance(value, dict) else str(value))
    Console().print(table)


if __name__ == "__main__":
    sys.exit(exit_status(main))
