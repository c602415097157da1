"""A judge of styles, trained on target pictures only."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.bank import Bank
from training.styles import STYLES

CROP = 96
STEPS = 700
BATCH = 24


class StyleJudge(nn.Module):
    """Five strided convolutions and a vote over the whole picture."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 48, 64)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.vote = nn.Linear(widths[-1], len(STYLES))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (B, styles) scores of (B, 3, H, W) pictures in -1..1."""
        scores: Tensor = self.vote(self.features(pictures).mean((2, 3)))
        return scores

    @torch.no_grad()
    def judge(self, pictures: np.ndarray) -> list[int]:
        """Return the number of the most likely style of each (B, H, W, 3) u8 picture."""
        numbers: list[int] = self(to_tensor(pictures)).argmax(1).tolist()
        return numbers


def trained_judge(bank: Path, saved: Path, steps: int = STEPS) -> StyleJudge:
    """Load the judge, or train it on a bank's targets and save it."""
    judge = StyleJudge()
    if not saved.exists():
        _train(judge, bank, steps)
        torch.save(judge.state_dict(), saved)
    judge.load_state_dict(torch.load(saved, map_location="cpu", weights_only=True))
    return judge.eval()


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Turn (B, H, W, 3) u8 into (B, 3, H, W) in -1..1."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _train(judge: StyleJudge, bank: Path, steps: int) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for pictures, labels in _batches(Bank.open(bank), steps):
        loss = F.cross_entropy(judge(pictures), labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _batches(bank: Bank, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield crops of targets, half of them a little blurred: style is judged, not sharpness."""
    rng = np.random.default_rng(0)
    side = min(CROP, bank.size)
    for _ in range(steps):
        crops, labels = [], []
        for _ in range(BATCH):
            n, k = rng.integers(len(bank)), rng.integers(bank.target.shape[1])
            top, left = rng.integers(0, bank.size - side + 1, 2)
            crops.append(bank.target[n, k, top : top + side, left : left + side])
            labels.append(STYLES.index(bank.looks[n][k].style))
        pictures = to_tensor(np.stack(crops))
        if rng.random() < 0.5:
            soft = F.interpolate(F.avg_pool2d(pictures, 2), side, mode="bilinear")
            pictures = torch.lerp(pictures, soft, torch.rand(BATCH, 1, 1, 1))
        yield pictures, torch.tensor(labels)
