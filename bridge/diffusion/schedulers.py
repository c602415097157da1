"""Schedulers: the noise levels that a run goes through. Names and meaning are ComfyUI's."""

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from bridge.diffusion.libraries import scipy_special
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.errors import InputError

MAX_STEPS = 1_000_000
"""The longest schedule that is made: 10,000 steps at a strength of 0.01."""


def make_sigmas(
    schedule: NoiseSchedule,
    scheduler: str,
    num_inference_steps: int,
    strength: float,
    *,
    omits_penultimate: bool = False,
) -> Tensor:
    """Return the noise levels of a run, descending to 0; steps + 1 of them.

    Args:
        schedule: The model's.
        scheduler: A key of ``SCHEDULERS``.
        num_inference_steps: At least 1.
        strength: 0..1; below 1 all steps are run, on the tail of a schedule of int(steps / strength).
            0 leaves nothing to do: no levels.
        omits_penultimate: Whether a level more is asked for and the lowest but 0 left out.

    Raises:
        InputError: If the schedule would have more than ``MAX_STEPS`` levels.
    """
    if strength <= 0.0:
        return torch.zeros(0)
    total = num_inference_steps if strength > 0.9999 else int(num_inference_steps / strength)
    if total > MAX_STEPS:
        raise InputError(
            f"a strength of {strength:g} makes a schedule of {total:,} steps; the most is {MAX_STEPS:,}",
            code="out_of_range",
            hint="Use a greater strength, or 0 to change nothing.",
        )
    spacing = SCHEDULERS[scheduler]
    if omits_penultimate:
        levels = spacing(schedule, total + 1)
        sigmas = torch.cat((levels[:-2], levels[-1:]))
    else:
        sigmas = spacing(schedule, total)
    return sigmas if strength > 0.9999 else sigmas[-(num_inference_steps + 1) :]


def karras_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Space levels evenly in sigma^(1/rho). Source: Karras et al. 2022, eq. 5.

    Raises:
        InputError: If ``rho`` is 0, or so near to it that the powers are no numbers.
    """
    try:
        low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    except (ZeroDivisionError, OverflowError):
        raise _refused(
            f"levels up to {sigma_max:g} cannot be spaced with a rho of {rho:g}",
            "Use a greater rho; 7 is usual.",
        ) from None
    return _ending_clean((high + torch.linspace(0, 1, steps) * (low - high)) ** rho)


def polyexponential_sigmas(steps: int, sigma_min: float, sigma_max: float, rho: float = 1.0) -> Tensor:
    """Space levels evenly in (log sigma)^(1/rho); a rho of 1 has one ratio. Source: k-diffusion.

    Raises:
        InputError: If a level is 0, whose logarithm does not exist.
    """
    if min(sigma_min, sigma_max) <= 0:
        raise _refused("levels evenly spaced in their logarithm cannot begin or end at 0")
    low, high = math.log(sigma_min), math.log(sigma_max)
    return _ending_clean((low + torch.linspace(1, 0, steps) ** rho * (high - low)).exp())


def laplace_sigmas(steps: int, sigma_min: float, sigma_max: float, mu: float, beta: float) -> Tensor:
    """Space levels by the quantiles of a Laplace distribution of log sigma; they do not end at 0.

    Source: Hang et al. 2024, "Improved Noise Schedule for Diffusion Training", §3.
    """
    place = 0.5 - torch.linspace(0, 1, steps)
    logs = mu - beta * place.sign() * (1 - 2 * place.abs() + 1e-5).log()
    return logs.exp().clamp(sigma_min, sigma_max)


def vp_sigmas(steps: int, beta_d: float, beta_min: float, end: float) -> Tensor:
    """Space levels evenly in the time of a variance-preserving SDE. Source: Karras et al. 2022, table 1."""
    times = torch.linspace(1, end, steps)
    return _ending_clean((beta_d * times**2 / 2 + beta_min * times).expm1().sqrt())


def beta_sigmas(schedule: NoiseSchedule, steps: int, alpha: float = 0.6, beta: float = 0.6) -> Tensor:
    """Take trained levels at the quantiles of a beta distribution; below 1 they are denser at both ends.

    Source: Lee et al. 2024, "Beta Sampling is All You Need".

    Raises:
        InputError: If ``alpha`` or ``beta`` is 0.
    """
    if min(alpha, beta) <= 0:
        raise _refused("a beta distribution needs an alpha and a beta above 0")
    quantiles = scipy_special.betaincinv(alpha, beta, [1.0 - step / steps for step in range(steps)])
    timesteps = [round(quantile * (len(schedule.sigmas) - 1)) for quantile in quantiles]
    return _ending_clean(schedule.sigmas[list(dict.fromkeys(timesteps))])


def turbo_sigmas(schedule: NoiseSchedule, steps: int, strength: float) -> Tensor:
    """Take some of the ten levels that SD-Turbo was distilled at. Source: Sauer et al. 2023, §3.1.

    Args:
        schedule: The model's.
        steps: 1..10.
        strength: 0..1; tenths of the schedule that are run at most.
    """
    skipped = 10 - int(10 * strength)
    timesteps = torch.arange(999, 0, -100)[skipped : skipped + steps]
    return _ending_clean(schedule.levels_at(timesteps))


def split_at_strength(sigmas: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Split levels so that the second part holds a share of the steps; the level between is in both."""
    steps = max(len(sigmas) - 1, 0)
    first = steps - round(steps * strength)
    return sigmas[: first + 1], sigmas[first:]


def flipped(sigmas: Tensor) -> Tensor:
    """Return levels from the lowest to the highest; the first is raised a little above 0."""
    ascending = sigmas.flip(0)
    return torch.where((torch.arange(len(ascending)) == 0) & (ascending == 0), 1e-4, ascending)


def extended(
    sigmas: Tensor, parts: int, start: float, end: float, spacing: Literal["linear", "cosine", "sine"]
) -> Tensor:
    """Divide the steps that begin between two levels into parts.

    Args:
        sigmas: Noise levels.
        parts: How many steps each becomes.
        start: The highest level a divided step begins at; below 0 for no limit.
        end: The lowest.
        spacing: ``cosine`` goes fast at first, ``sine`` at last.
    """
    places = torch.linspace(0, 1, parts + 1)[:-1]
    if spacing == "cosine":
        places = (places * (math.pi / 2)).sin()
    elif spacing == "sine":
        places = 1 - (places * (math.pi / 2)).cos()
    highest = math.inf if start < 0 else start
    levels = [
        sigma + (next_sigma - sigma) * (places if end <= float(sigma) <= highest else places[:1])
        for sigma, next_sigma in pairwise(sigmas)
    ]
    return torch.cat((*levels, sigmas[-1:]))


def with_first(sigmas: Tensor, sigma: float) -> Tensor:
    """Replace the first level.

    Raises:
        InputError: If there are no levels.
    """
    if not len(sigmas):
        raise _refused("there is no first noise level to set: the list is empty", "Use a denoise above 0.")
    return torch.cat((torch.tensor([sigma]), sigmas[1:]))


def _normal(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in timesteps, both ends included."""
    return _ending_clean(schedule.levels_at(_timesteps(schedule, steps)))


def _sgm_uniform(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in timesteps, the lowest level left out."""
    return _ending_clean(schedule.levels_at(_timesteps(schedule, steps + 1)[:-1]))


def _timesteps(schedule: NoiseSchedule, count: int) -> Tensor:
    first, last = schedule.timestep(schedule.sigma_max), schedule.timestep(schedule.sigma_min)
    return torch.linspace(first, last, count)


def _karras(schedule: NoiseSchedule, steps: int) -> Tensor:
    return karras_sigmas(steps, schedule.sigma_min, schedule.sigma_max)


def _exponential(schedule: NoiseSchedule, steps: int) -> Tensor:
    return polyexponential_sigmas(steps, schedule.sigma_min, schedule.sigma_max)


def _simple(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Every (T / steps)-th trained level, counted down from the highest."""
    levels = len(schedule.sigmas)
    return _ending_clean(
        schedule.sigmas[[levels - 1 - int(step * (levels / steps)) for step in range(steps)]]
    )


def _ddim_uniform(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Every (T // steps)-th trained level, counted up from timestep 1.

    Where steps does not divide T there can be more levels than asked for, as in ComfyUI.
    """
    stride = max(len(schedule.sigmas) // steps, 1)
    return _ending_clean(schedule.sigmas[1::stride].flip(0))


def _beta(schedule: NoiseSchedule, steps: int) -> Tensor:
    return beta_sigmas(schedule, steps)


def _linear_quadratic(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Half of the steps take 2.5 % of the way in equal parts, the others the rest, faster and faster.

    Source: Genmo 2024, Mochi 1; Polyak et al. 2024, "Movie Gen", §3.4.2.
    """
    if steps == 1:
        return torch.tensor([schedule.sigma_max, 0.0])
    linear, slow = steps // 2, 0.025
    step, rest = slow / linear, steps - linear
    ahead = torch.arange(steps, dtype=torch.float64)
    beyond = (ahead - linear).clamp(min=0)
    way = ahead * step + beyond**2 * ((1 - step * steps) / rest**2)
    return _ending_clean(((1 - way) * schedule.sigma_max).float())


def _kl_optimal(schedule: NoiseSchedule, steps: int) -> Tensor:
    """Even in arctan sigma. Source: Sabour et al. 2024, "Align Your Steps", theorem 3.1."""
    ends = math.atan(schedule.sigma_max), math.atan(schedule.sigma_min)
    return _ending_clean(torch.linspace(*ends, steps).tan())


def _ending_clean(sigmas: Tensor) -> Tensor:
    if not bool(sigmas.isfinite().all()):
        raise _refused("the noise levels are too large to be numbers", "Use values nearer to the defaults.")
    return torch.cat((sigmas, torch.zeros(1)))


def _refused(message: str, hint: str = "Use values above 0.") -> InputError:
    return InputError(message, code="out_of_range", hint=hint)


SCHEDULERS: Mapping[str, Callable[[NoiseSchedule, int], Tensor]] = {
    "simple": _simple,
    "sgm_uniform": _sgm_uniform,
    "karras": _karras,
    "exponential": _exponential,
    "ddim_uniform": _ddim_uniform,
    "beta": _beta,
    "normal": _normal,
    "linear_quadratic": _linear_quadratic,
    "kl_optimal": _kl_optimal,
}
"""Name → noise levels of a full run of some steps, descending to 0."""
