"""A judge of single objects' styles: ``python -m training.evaluate.objects --work DIR --out FILE``.

It is the judge of whole pictures, whose vote is taken on the pixels of one object alone. It is trained on
true targets only, of the evaluation's scenes for judges, and measured on those of the held-out scenes; the
judge of whole pictures, which it begins as, must lie in the work folder: see ``training.evaluate``.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from torch import Tensor

from bridge.builtin import model_folder
from training.bank import sample_noise
from training.evaluate.__main__ import judge_of
from training.evaluate.classifier import StyleJudge, to_tensor
from training.evaluate.model import load_painter
from training.gbuffer import View, open_shards
from training.painter import Painter
from training.styles import STYLES, Look, stylise

STEPS, BATCH, CROP = 900, 22, 112
VIEWS, HELD = 60, 12
SMALLEST = 1200
"""Pixels of an object that is worth judging: hatching and blocks need room."""

Sample = tuple[np.ndarray, np.ndarray, int]
"""A target (H, W, 3) u8, the ids of its view (H, W), and the number of its style."""


class ObjectJudge(StyleJudge):
    """Votes on what the features find within a mask."""

    @torch.no_grad()
    def style_of(self, picture: np.ndarray, mask: np.ndarray) -> str:
        """Return the most likely style of an object.

        Args:
            picture: (H, W, 3) u8.
            mask: (H, W), 0..1: the object's share of each pixel.
        """
        rows, columns = (np.flatnonzero(mask.max(axis) > 0) for axis in (1, 0))
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        scores = self.scores(
            to_tensor(picture[box][None]), torch.tensor(mask[box][None], dtype=torch.float32)
        )
        return STYLES[int(scores.argmax())]

    def scores(self, pictures: Tensor, masks: Tensor) -> Tensor:
        """Return (B, styles) scores of (B, 3, H, W) pictures in −1..1, within (B, H, W) masks."""
        found = self.features(pictures)
        share = F.interpolate(masks[:, None], size=found.shape[2:], mode="area")
        inside = (share > torch.minimum(share.amax((2, 3), keepdim=True) - 1e-3, torch.tensor(0.95))).float()
        count = inside.sum((2, 3)).clamp(min=1)
        mean = (found * inside).sum((2, 3)) / count
        spread = ((found - mean[..., None, None]).square() * inside).sum((2, 3)) / count
        scores: Tensor = self.vote(torch.cat([mean, (spread + 1e-6).sqrt()], 1))
        return scores


def load_judge(file: Path) -> ObjectJudge:
    """Load a judge that was trained."""
    judge = ObjectJudge()
    judge.load_state_dict({name: each.float() for name, each in load_file(file).items()})
    return judge.eval()


def main() -> None:
    """Train a judge, say how well it knows true targets, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate.objects", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("evaluation-work"), help="default: %(default)s")
    parser.add_argument("--out", type=Path, default=Path("object-judge.safetensors"))
    options = parser.parse_args()
    judge = ObjectJudge()
    judge.load_state_dict(judge_of(options.work).state_dict())
    targets = _targets(_views(options.work / "scenes", VIEWS))
    _train(judge, [*targets, *_coded(targets, load_painter(model_folder()))])
    judge.eval()
    print(
        f"accuracy on held-out targets: {_accuracy(judge, _targets(_views(options.work / 'held', HELD))):.3f}"
    )
    save_file({name: each.contiguous() for name, each in judge.state_dict().items()}, options.out)


def _views(folder: Path, count: int) -> list[View]:
    shards = open_shards(folder)
    return [shards[n % len(shards)].view(n // len(shards) * len(shards[0]) // count) for n in range(count)]


def _targets(views: Sequence[View]) -> list[Sample]:
    found = []
    for place, view in enumerate(views):
        for style, name in enumerate(STYLES):
            height, width = view.shape
            noise = sample_noise(11, place, style, max(height, width))[:, : height // 4, : width // 4]
            found.append((stylise(view, Look(name), noise), np.asarray(view.object_id), style))
    return found


def _coded(samples: Sequence[Sample], painter: Painter) -> list[Sample]:
    """Return targets as the model's autoencoder gives them back: no painting of the model is sharper."""
    return [(painter.round_trip(picture[None])[0], ids, style) for picture, ids, style in samples]


def _objects(ids: np.ndarray) -> list[int]:
    numbers, counts = np.unique(ids[ids > 0], return_counts=True)
    return [int(number) for number, count in zip(numbers, counts, strict=True) if count >= SMALLEST]


def _batches(samples: Sequence[Sample]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    rng = np.random.default_rng(0)
    samples = [sample for sample in samples if _objects(sample[1])]
    for _ in range(STEPS):
        crops, masks, labels = [], [], []
        for _ in range(BATCH):
            picture, ids, style = samples[rng.integers(len(samples))]
            mask = ids == rng.choice(_objects(ids))
            row, column = (int(each) for each in np.argwhere(mask)[rng.integers(mask.sum())])
            top = int(np.clip(row - CROP // 2, 0, mask.shape[0] - CROP))
            left = int(np.clip(column - CROP // 2, 0, mask.shape[1] - CROP))
            window = slice(top, top + CROP), slice(left, left + CROP)
            crops.append(picture[window])
            masks.append(mask[window])
            labels.append(style)
        pictures = _worn(to_tensor(np.stack(crops)))
        yield pictures, torch.tensor(np.stack(masks), dtype=torch.float32), torch.tensor(labels)


def _worn(pictures: Tensor) -> Tensor:
    """Make pictures softer, noisier and of other tones, as a model's are: style is judged, not fidelity."""

    def chance() -> Tensor:
        return torch.rand(BATCH, 1, 1, 1)

    soft = F.interpolate(F.avg_pool2d(pictures, 2), CROP, mode="bilinear")
    pictures = torch.lerp(pictures, soft, chance())
    pictures = pictures * (0.75 + 0.5 * chance()) + 0.3 * (chance() - 0.5)
    return pictures + 0.04 * chance() * torch.randn_like(pictures)


def _train(judge: ObjectJudge, samples: Sequence[Sample]) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(judge.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=STEPS)
    for step, (pictures, masks, labels) in enumerate(_batches(samples)):
        loss = F.cross_entropy(judge.scores(pictures, masks), labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)


def _accuracy(judge: ObjectJudge, samples: Sequence[Sample]) -> float:
    right = [
        judge.style_of(picture, (ids == number).astype(np.float32)) == STYLES[style]
        for picture, ids, style in samples
        for number in _objects(ids)
    ]
    return float(np.mean(right))


if __name__ == "__main__":
    main()
