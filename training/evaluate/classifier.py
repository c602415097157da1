"""A judge of styles, trained on target pictures only."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from training.bank import Bank
from training.files import save_state
from training.styles import STYLES

CROP = 96
STEPS = 800
BATCH = 24
WIDTHS = (3, 16, 24, 40, 64)


class StyleJudge(nn.Module):
    """Convolutions, and a vote on the mean and the spread of what they find over the whole picture.

    The first layer sees every pixel, since blocks of pixels and hatching are a matter of single pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for depth, (before, after) in enumerate(itertools.pairwise(WIDTHS)):
            stride = 1 if depth == 0 else 2
            layers += [nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.vote = nn.Linear(2 * WIDTHS[-1], len(STYLES))

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (B, styles) scores of (B, 3, H, W) pictures in -1..1."""
        scores: Tensor = self.vote(self.summary(pictures))
        return scores

    def summary(self, pictures: Tensor) -> Tensor:
        """Return what the vote is taken on, (B, 128): mean and spread of every feature."""
        found = self.features(pictures).flatten(2)
        return torch.cat([found.mean(2), found.std(2)], 1)

    @torch.no_grad()
    def judge(self, pictures: np.ndarray) -> list[int]:
        """Return the number of the most likely style of each (B, H, W, 3) u8 picture."""
        numbers: list[int] = self(to_tensor(pictures)).argmax(1).tolist()
        return numbers


@torch.no_grad()
def style_distance(judge: StyleJudge, painted: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """Measure how far paintings are from true targets, in the features that tell styles apart.

    Args:
        judge: Finds the features.
        painted: For each view (styles, H, W, 3) u8.
        targets: The same.

    Returns:
        The squared distance between a style's mean painting and its mean target, averaged over styles, in
        units of the mean squared distance between the mean targets of two styles: 0 is the same, and at 1
        a painting is as far from its own style as from any other. After Heusel et al. 2017, who compare
        features of distributions; means only, since a few views do not give a covariance.
    """
    ours, true = (
        torch.stack([judge.summary(to_tensor(row)) for row in rows]).mean(0) for rows in (painted, targets)
    )
    between = torch.cdist(true, true).square().sum() / (len(true) * (len(true) - 1))
    return float((ours - true).square().sum(1).mean() / between)


@torch.no_grad()
def share_nearest(judge: StyleJudge, painted: Sequence[np.ndarray], targets: Sequence[np.ndarray]) -> float:
    """Return the share of paintings whose features lie nearest to the mean of the last target style's.

    Args:
        judge: Finds the features; the last style need not be one that it knows.
        painted: For each view (1, H, W, 3) u8.
        targets: For each view (styles, H, W, 3) u8.
    """
    means = torch.stack([judge.summary(to_tensor(row)) for row in targets]).mean(0)
    found = torch.cat([judge.summary(to_tensor(row)) for row in painted])
    return float((torch.cdist(found, means).argmin(1) == len(means) - 1).float().mean())


def trained_judge(bank: Path, saved: Path) -> StyleJudge:
    """Load the judge, or train it on a bank's targets and save it."""
    judge = StyleJudge()
    if not saved.exists():
        _train(judge, bank)
        save_state(judge.state_dict(), saved)
    judge.load_state_dict(torch.load(saved, map_location="cpu", weights_only=True))
    return judge.eval()


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Turn (B, H, W, 3) u8 into (B, 3, H, W) in -1..1."""
    return torch.tensor(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def _train(judge: StyleJudge, bank: Path) -> None:
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=STEPS)
    for pictures, labels in _batches(Bank.open(bank)):
        loss = F.cross_entropy(judge(pictures), labels, label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _batches(bank: Bank) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield crops of targets, some a little soft, brighter or noisier: style is judged, not fidelity."""
    rng = np.random.default_rng(0)
    side = min(CROP, bank.size)
    for _ in range(STEPS):
        crops, labels = [], []
        for _ in range(BATCH):
            n, k = rng.integers(len(bank)), rng.integers(bank.target.shape[1])
            top, left = rng.integers(0, bank.size - side + 1, 2)
            crops.append(bank.target[n, k, top : top + side, left : left + side])
            labels.append(STYLES.index(bank.looks[n][k].style))
        pictures = to_tensor(np.stack(crops))
        soft = F.interpolate(F.avg_pool2d(pictures, 2), side, mode="bilinear")
        pictures = torch.lerp(pictures, soft, 0.6 * torch.rand(BATCH, 1, 1, 1))
        yield pictures + 0.04 * torch.rand(BATCH, 1, 1, 1) * torch.randn_like(pictures), torch.tensor(labels)
