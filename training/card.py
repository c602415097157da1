"""Write the model card: ``python -m training.card --work DIR --report report.json [--hardware TEXT]``.

The report is what ``python -m training.evaluate --json`` printed for the same export.
"""

import argparse
import csv
import json
from pathlib import Path
from string import Template
from typing import Any

from training.export import write_manifest
from training.pipeline import RECIPE
from training.styles import COLOURS, LORA_STYLES, MATERIALS, MOODS, STYLES

PSNR = ("autoencoder_psnr_procedural", "autoencoder_psnr_blender")
STAGES = ("autoencoder", "windows", "denoiser", "refined", "decoder")


def main() -> None:
    """Write README.md into the export, and its manifest anew."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("--work", type=Path, required=True, help="work folder, with the curves")
    parser.add_argument("--model", type=Path, help="the export (default: WORK/model)")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--hardware", default="a CPU", help="what it was trained on")
    options = parser.parse_args()
    model = options.model or options.work / "model"
    report = json.loads(options.report.read_text("utf-8"))
    (model / "README.md").write_text(make_card(model, options.work, report, options.hardware), "utf-8")
    write_manifest(model)


def make_card(model: Path, work: Path, report: dict[str, Any], hardware: str) -> str:
    """Return the card's Markdown."""
    weights = sum(
        path.stat().st_size for path in model.glob("*/*.safetensors") if path.parent.name != "loras"
    )
    return Template((Path(__file__).parent / "card.md").read_text("utf-8")).substitute(
        weights=f"{weights / 1e6:.1f}",
        commit=json.loads((work / RECIPE).read_text("utf-8"))["commit"],
        compute=_compute(work),
        hardware=hardware,
        styles=", ".join(STYLES),
        moods=", ".join(MOODS),
        colours=", ".join(COLOURS),
        materials=", ".join(MATERIALS),
        lora_styles=", ".join(LORA_STYLES),
        views=report["views"],
        measured=_measured(report),
    )


def _measured(report: dict[str, Any]) -> str:
    controls, settings = report["controls"], report["settings"]
    rows: list[tuple[str, object]] = [
        (
            "style accuracy by a judge trained on targets alone, procedural scenes (true targets)",
            f"{report['style_accuracy_procedural']} ({report['style_procedural']['ceiling']})",
        ),
        (
            "the same, real models in Blender",
            f"{report['style_accuracy_blender']} ({report['style_blender']['ceiling']})",
        ),
        (
            "the same against the next style's name; with an empty prompt",
            f"{report['style_blender']['wrong_prompt']}; {report['style_accuracy_without_prompt']}",
        ),
        (
            "edge F1 against geometric edges (true targets; another scene's edges)",
            f"{report['edge_f1']} ({report['structure_blender']['targets']}; "
            f"{report['structure_blender']['f1_other_scene']})",
        ),
        (
            "edge F1 with depth alone, with lines alone, with no ControlNet",
            ", ".join(str(controls[name]["f1"]) for name in ("depth", "lines", "none")),
        ),
        ("hue within 30° of a colour word's", report["hue_accuracy"]),
        ("autoencoder, worst style's PSNR", f"{min(min(report[name].values()) for name in PSNR)} dB"),
        *(
            (
                f"style accuracy, {name}",
                f"{values['accuracy']}, distance to true targets {values['style_distance']}",
            )
            for name, values in settings.items()
        ),
        (
            "a style named beside another that the negative prompt keeps out, guidance 3",
            ", ".join(f"{name}: {share}" for name, share in report["negative_prompt"].items()),
        ),
        (
            "mean colour moved from the viewport's by denoise, 0..255",
            ", ".join(f"{name}: {moved}" for name, moved in report["colour_moved_by_denoise"].items()),
        ),
        *(
            (f"LoRA {name}: style seen with it, without it", f"{v['with']}, {v['without']}")
            for name, v in report["lora"].items()
        ),
        ("frames a second at 1 and 4 steps", _speed(report["speed_256"])),
    ]
    return "\n".join(["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _speed(speed: dict[str, Any]) -> str:
    return f"{speed['fps_1_steps']} and {speed['fps_4_steps']} on {speed['threads']} CPU threads"


def _compute(work: Path) -> str:
    """Sum the wall time that the curves of all stages report."""
    seconds = {}
    for stage in STAGES:
        with (work / f"{stage}.csv").open() as file:
            seconds[stage] = float(list(csv.DictReader(file))[-1]["wall_s"])
    parts = ", ".join(f"{stage} {time:.0f}" for stage, time in seconds.items())
    return f"{sum(seconds.values()):.0f} s of training ({parts})"


if __name__ == "__main__":
    main()
