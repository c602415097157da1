"""Make the embedded model: ``python -m training [--out DIR] [--smoke] [--gpu-minutes N] [--workers N]``.

An interrupted run continues where it stopped when it is started again.
"""

import argparse
import sys
from pathlib import Path

import torch

from training.errors import TrainingError, exit_status
from training.pipeline import Run, run_all
from training.recipe import FULL, SMOKE, gpu_recipe


def main() -> None:
    """Parse the command line and run every stage that is not finished."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--out", type=Path, help="work folder (default: training-work, or training-smoke)")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--smoke", action="store_true", help="only show that all stages work, in a minute")
    kind.add_argument(
        "--gpu-minutes", type=_positive, help="train on CUDA, so long in all (default: days on the CPU)"
    )
    parser.add_argument(
        "--workers", type=_count, default=2, help="processes that prepare samples (default: %(default)s)"
    )
    options = parser.parse_args()
    if options.smoke:
        run = Run((options.out or Path("training-smoke")).resolve(), SMOKE, workers=1)
    else:
        recipe = gpu_recipe(options.gpu_minutes) if options.gpu_minutes else FULL
        run = Run((options.out or Path("training-work")).resolve(), recipe, options.workers)
    if run.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("there is no CUDA device", "Install a CUDA build of torch, or train on the CPU.")
    print(f"the model lies in {run_all(run)}")


def _positive(text: str) -> float:
    if not float(text) > 0:
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return float(text)


def _count(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)


if __name__ == "__main__":
    sys.exit(exit_status(main))
