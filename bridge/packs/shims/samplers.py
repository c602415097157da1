"""``comfy.samplers``: the names of samplers and schedulers, for inputs to choose from."""

from bridge.diffusion import SAMPLERS, SCHEDULERS

__all__ = ["SAMPLER_NAMES", "SCHEDULER_NAMES", "KSampler"]

SAMPLER_NAMES = list(SAMPLERS)
SCHEDULER_NAMES = list(SCHEDULERS)


class KSampler:
    """Holds the names; what samples is the node ``KSampler``."""

    SAMPLERS = SAMPLER_NAMES
    SCHEDULERS = SCHEDULER_NAMES
