"""The numbers of a full run and of the smoke run."""

from dataclasses import dataclass, field

from training.loop import Plan
from training.networks import Sizes


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is trained, for how long."""

    sizes: Sizes = field(default_factory=Sizes)
    shards: int = 28
    views: int = 250
    held_shards: int = 4
    held_views: int = 24
    view_size: int = 256
    targets: int = 4
    small_samples: int = 14_000
    small_size: int = 128
    large_samples: int = 2_500
    large_size: int = 256
    lora_samples: int = 3_000
    autoencoder: Plan = field(default_factory=lambda: Plan(steps=12_000, rate=1.2e-3, warmup=200))
    decoder: Plan = field(default_factory=lambda: Plan(steps=6_000, rate=6e-4, warmup=100))
    windows: Plan = field(
        default_factory=lambda: Plan(
            steps=20_000, rate=1e-3, warmup=150, average=0.9985, weight_decay=1e-3, batch=24, crop=16
        )
    )
    """Words and textures are learnt on small windows: 41 samples a CPU second against 12 whole ones."""
    denoiser: Plan = field(
        default_factory=lambda: Plan(steps=20_000, rate=6e-4, warmup=150, average=0.9985, weight_decay=1e-3)
    )
    refine: Plan = field(
        default_factory=lambda: Plan(
            steps=8_000, rate=2e-4, warmup=50, average=0.998, batch=2, weight_decay=1e-3
        )
    )
    lora: Plan = field(default_factory=lambda: Plan(steps=3_000, rate=1e-3, warmup=50, average=0.99))


FULL = Recipe()

SMOKE = Recipe(
    sizes=Sizes(autoencoder=(12, 16, 24), denoiser=(16, 16, 32, 32), hint=(8, 8, 8), text=32, head=16),
    shards=1,
    views=8,
    held_shards=1,
    held_views=2,
    view_size=128,
    targets=11,
    small_samples=12,
    small_size=96,
    large_samples=4,
    large_size=128,
    autoencoder=Plan(steps=20, rate=1e-3, warmup=5, workers=1, batch=4),
    decoder=Plan(steps=4, rate=1e-3, warmup=2, workers=1, batch=4),
    windows=Plan(steps=4, rate=1e-3, warmup=2, workers=1, batch=4, crop=16),
    denoiser=Plan(steps=12, rate=1e-3, warmup=5, workers=1, batch=4),
    refine=Plan(steps=4, rate=1e-3, warmup=5, workers=1, batch=2),
    lora_samples=6,
    lora=Plan(steps=3, rate=1e-3, warmup=2, workers=1, batch=2),
)
