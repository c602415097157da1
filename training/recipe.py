"""The numbers of a full run and of the smoke run."""

from dataclasses import dataclass, field, replace

from training.networks import Sizes
from training.task import Plan


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what is trained, for how long."""

    sizes: Sizes = field(default_factory=Sizes)
    shards: int = 13
    views: int = 250
    held_shards: int = 4
    held_views: int = 24
    view_size: int = 256
    small_samples: int = 14_000
    small_targets: int = 4
    small_size: int = 128
    large_samples: int = 2_500
    large_targets: int = 4
    large_size: int = 256
    lora_samples: int = 3_000
    fetches_models: bool = True
    """Whether the held-out frames show the models that have to be fetched, too."""
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
"""For days on two cores."""

EVALUATION = replace(FULL, shards=2, views=120, held_views=8)
"""What `training.evaluate` renders where there are no scenes yet."""

GPU_STEPS = 1_000_000
"""More than there is time for."""

GPU = {
    "autoencoder": (0.27, 512, 1.5e-3),
    "windows": (0.12, 1024, 1.5e-3),
    "denoiser": (0.30, 512, 1.2e-3),
    "refine": (0.22, 128, 6e-4),
    "decoder": (0.06, 512, 1e-3),
    "lora": (0.03, 128, 1e-3),
}
"""What share of a GPU's time each plan gets, its batch and its rate."""


def gpu_recipe(minutes: float) -> Recipe:
    """Return the recipe for so many minutes of training on one large GPU; drawing samples comes on top."""
    plans = {
        name: replace(
            getattr(FULL, name),
            steps=GPU_STEPS,
            seconds=60 * minutes * share,
            device="cuda",
            workers=1,
            batch=batch,
            rate=rate,
        )
        for name, (share, batch, rate) in GPU.items()
    }
    plans["windows"] = replace(plans["windows"], decay_share=0.1)
    counts = {"small_samples": 8_000, "small_targets": 8, "large_samples": 4_000, "large_targets": 6}
    return replace(FULL, **counts, **plans)


SMOKE = Recipe(
    sizes=Sizes(autoencoder=(12, 16, 24), denoiser=(16, 16, 32, 32), hint=(8, 8, 8), text=32, head=16),
    shards=1,
    views=8,
    held_shards=1,
    fetches_models=False,
    held_views=2,
    view_size=128,
    small_samples=12,
    small_targets=11,
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
