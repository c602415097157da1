"""Write the model card: ``python -m training.card --work DIR --report report.json``.

The report is what ``python -m training.evaluate --json`` printed for the same export.
"""

import argparse
import csv
import json
import subprocess
from pathlib import Path
from typing import Any

from training.styles import COLOURS, LORA_STYLES, MATERIALS, MOODS, STYLES

STAGES = ("autoencoder", "windows", "denoiser", "refined", "decoder")


def main() -> None:
    """Write MODEL_CARD.md into the work folder's export."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--report", type=Path, required=True)
    options = parser.parse_args()
    card = make_card(options.work, json.loads(options.report.read_text("utf-8")))
    (options.work / "model" / "MODEL_CARD.md").write_text(card, "utf-8")


def make_card(work: Path, report: dict[str, Any]) -> str:
    """Return the card's Markdown."""
    weights = sum(path.stat().st_size for path in (work / "model").rglob("*.safetensors"))
    return f"""# Framebridge's embedded model

A small model in Stable Diffusion 1.x layout, trained from nothing to restyle 3D viewports on a CPU. Its
latents are a quarter of the picture's side. It knows the words below and nothing else.

- Licence: Apache-2.0. No third-party weights, pictures or captions; the vocabulary is CLIP's (MIT).
- Weights: {weights / 1e6:.1f} MB in fp16: UNet, two ControlNets (depth, canny), text encoder, autoencoder.
- Data: random scenes drawn by Blender's Workbench; styles are functions of their geometry.
- Recipe: `python -m training`, commit {_commit()}.
- Compute: {_compute(work)}.

## Words

| | |
|---|---|
| styles | {", ".join(STYLES)} |
| times and weather | {", ".join(MOODS)} |
| colours | {", ".join(COLOURS)} |
| materials | {", ".join(MATERIALS)} |
| by LoRA | {", ".join(LORA_STYLES)} |

A prompt without a known word gives a plain photo.

## Measured

On scenes and models never trained on: 256 pixels, 4 Euler steps from an empty latent, both ControlNets
at 1.0, guidance 1.

{_measured(report)}

## What it cannot do

It invents no objects, faces or text; words it was not taught do nothing. It was trained at 128 and
256 pixels.
"""


def _measured(report: dict[str, Any]) -> str:
    rows = [
        ("style accuracy, procedural scenes", report["style_accuracy_procedural"]),
        ("style accuracy, real models in Blender", report["style_accuracy_blender"]),
        (
            "ceiling of that judge",
            f"{report['style_procedural']['ceiling']} / {report['style_blender']['ceiling']}",
        ),
        ("edge F1 (true targets)", f"{report['edge_f1']} ({report['structure_blender']['targets']})"),
        ("hue accuracy of colour words", report["hue_accuracy"]),
        ("autoencoder, worst style", f"{min(report['autoencoder_psnr_procedural'].values())} dB"),
        ("frames a second at 1 and 4 steps", _speed(report["speed_256"])),
    ]
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _speed(speed: dict[str, Any]) -> str:
    return f"{speed['fps_1_steps']} and {speed['fps_4_steps']} on {speed['threads']} threads"


def _compute(work: Path) -> str:
    """Sum the wall time that the curves of all stages report."""
    hours = {}
    for stage in STAGES:
        curve = work / f"{stage}.csv"
        if curve.exists():
            with curve.open() as file:
                rows = list(csv.DictReader(file))
            hours[stage] = float(rows[-1]["wall_s"]) / 3600
    parts = ", ".join(f"{stage} {time:.1f} h" for stage, time in hours.items())
    return f"{sum(hours.values()):.1f} h of training ({parts})"


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
