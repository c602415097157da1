"""Make the embedded model: ``python -m training [--out DIR] [--smoke] [--gpu-minutes N]``.

An interrupted run continues where it stopped when it is started again.
"""

import argparse
import errno
import sys
from pathlib import Path

from training.errors import TrainingError
from training.pipeline import Run, run_all
from training.recipe import FULL, SMOKE, gpu_recipe


def main() -> int:
    """Parse the command line, run every stage, and turn failures into one message and a hint."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("training-work"), help="work folder (default: %(default)s)"
    )
    parser.add_argument(
        "--smoke", action="store_true", help="a run of minutes that only shows that all stages work"
    )
    parser.add_argument(
        "--gpu-minutes",
        type=float,
        help="train on CUDA, so long in all (default: days on the CPU)",
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that draw and, on CPU, train (default: %(default)s)"
    )
    options = parser.parse_args()
    recipe = gpu_recipe(options.gpu_minutes) if options.gpu_minutes else FULL
    run = Run(options.out.resolve(), recipe, options.workers)
    if options.smoke:
        run = Run(options.out.resolve(), SMOKE, workers=1)
    try:
        print(f"the model lies in {run_all(run)}")
    except TrainingError as error:
        return _fail(str(error), error.hint)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return _fail(f"the disk of {run.work} is full", "Free some space and start again: it resumes.")
    except KeyboardInterrupt:
        return _fail("stopped", "Start the same command again: it resumes from the last checkpoint.")
    return 0


def _fail(message: str, hint: str) -> int:
    print(f"error: {message}\n{hint}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
