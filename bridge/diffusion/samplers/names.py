"""ComfyUI's names of samplers, in its order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from bridge.diffusion.flow import FlowSchedule
from bridge.diffusion.samplers.dpm_solver import dpm_adaptive, dpm_fast
from bridge.diffusion.samplers.dpmpp import dpmpp_2m, dpmpp_2m_cfg_pp, dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_sde
from bridge.diffusion.samplers.euler import (
    ddpm,
    euler,
    euler_ancestral,
    euler_ancestral_cfg_pp,
    gradient_estimation,
    gradient_estimation_cfg_pp,
    lcm,
)
from bridge.diffusion.samplers.exploding import by_noise_ratio
from bridge.diffusion.samplers.multistep import deis, ipndm, ipndm_v, lms, res_multistep
from bridge.diffusion.samplers.sa_solver import Adams, sa_solver
from bridge.diffusion.samplers.singlestep import (
    dpm_2,
    dpm_2_ancestral,
    dpmpp_2s_ancestral,
    dpmpp_2s_ancestral_cfg_pp,
    heun,
    heunpp2,
)
from bridge.diffusion.samplers.step import SamplerFunction, Steps
from bridge.diffusion.samplers.stochastic import er_sde, seeds_2, seeds_3
from bridge.diffusion.samplers.unipc import uni_pc
from bridge.diffusion.sigmas import NoiseSchedule
from bridge.graph import Socket


@dataclass(frozen=True, slots=True)
class SolverSampler:
    """A solver and what a run has to know about it.

    Args:
        solve: A ``SamplerFunction``; parameters other than the defaults are bound.
        omits_penultimate: Whether KSampler asks for one level more and leaves out the lowest but 0.
        redraws_masked: Whether what a mask protects gets noise of its own, not the run's.
        takes_schedule: Whether ``solve`` wants the model's ``schedule``.
        follows_ratio: Whether it goes by the ratio of noise to signal, whatever a model calls a noise level.
    """

    solve: Callable[..., Steps]
    omits_penultimate: bool = False
    redraws_masked: bool = False
    takes_schedule: bool = False
    follows_ratio: bool = False

    def for_schedule(self, schedule: NoiseSchedule) -> SamplerFunction:
        """Return the solver for a model."""
        solve = partial(self.solve, schedule=schedule) if self.takes_schedule else self.solve
        if self.follows_ratio and isinstance(schedule, FlowSchedule):
            return partial(by_noise_ratio, schedule=schedule, solve=solve)
        return solve


Sampler = Annotated[SolverSampler, Socket("SAMPLER")]

_DPMPP_SDE = SolverSampler(dpmpp_sde, follows_ratio=True)
_DPMPP_2M_SDE = SolverSampler(dpmpp_2m_sde, follows_ratio=True)
_DPMPP_2M_SDE_HEUN = SolverSampler(partial(dpmpp_2m_sde, rule="heun"), follows_ratio=True)
_DPMPP_3M_SDE = SolverSampler(dpmpp_3m_sde, follows_ratio=True)

# Names in _gpu draw their noise on the GPU in ComfyUI. Ours comes from the CPU always, so that a seed means
# the same on every device.
SAMPLERS: Mapping[str, SolverSampler] = {
    "euler": SolverSampler(euler),
    "euler_cfg_pp": SolverSampler(partial(euler_ancestral_cfg_pp, eta=0.0), takes_schedule=True),
    "euler_ancestral": SolverSampler(euler_ancestral, takes_schedule=True),
    "euler_ancestral_cfg_pp": SolverSampler(euler_ancestral_cfg_pp, takes_schedule=True),
    "heun": SolverSampler(heun),
    "heunpp2": SolverSampler(heunpp2),
    "dpm_2": SolverSampler(dpm_2, omits_penultimate=True),
    "dpm_2_ancestral": SolverSampler(dpm_2_ancestral, omits_penultimate=True, takes_schedule=True),
    "lms": SolverSampler(lms),
    "dpm_fast": SolverSampler(dpm_fast),
    "dpm_adaptive": SolverSampler(dpm_adaptive),
    "dpmpp_2s_ancestral": SolverSampler(dpmpp_2s_ancestral, takes_schedule=True),
    "dpmpp_2s_ancestral_cfg_pp": SolverSampler(dpmpp_2s_ancestral_cfg_pp),
    "dpmpp_sde": _DPMPP_SDE,
    "dpmpp_sde_gpu": _DPMPP_SDE,
    "dpmpp_2m": SolverSampler(dpmpp_2m),
    "dpmpp_2m_cfg_pp": SolverSampler(dpmpp_2m_cfg_pp),
    "dpmpp_2m_sde": _DPMPP_2M_SDE,
    "dpmpp_2m_sde_gpu": _DPMPP_2M_SDE,
    "dpmpp_2m_sde_heun": _DPMPP_2M_SDE_HEUN,
    "dpmpp_2m_sde_heun_gpu": _DPMPP_2M_SDE_HEUN,
    "dpmpp_3m_sde": _DPMPP_3M_SDE,
    "dpmpp_3m_sde_gpu": _DPMPP_3M_SDE,
    "ddpm": SolverSampler(ddpm),
    "lcm": SolverSampler(lcm, takes_schedule=True),
    "ipndm": SolverSampler(ipndm),
    "ipndm_v": SolverSampler(ipndm_v),
    "deis": SolverSampler(deis),
    "res_multistep": SolverSampler(res_multistep),
    "res_multistep_cfg_pp": SolverSampler(partial(res_multistep, is_cfg_pp=True)),
    "res_multistep_ancestral": SolverSampler(partial(res_multistep, eta=1.0)),
    "res_multistep_ancestral_cfg_pp": SolverSampler(partial(res_multistep, eta=1.0, is_cfg_pp=True)),
    "gradient_estimation": SolverSampler(gradient_estimation),
    "gradient_estimation_cfg_pp": SolverSampler(gradient_estimation_cfg_pp),
    "er_sde": SolverSampler(er_sde, follows_ratio=True),
    "seeds_2": SolverSampler(seeds_2, follows_ratio=True),
    "seeds_3": SolverSampler(seeds_3, follows_ratio=True),
    "sa_solver": SolverSampler(sa_solver, takes_schedule=True, follows_ratio=True),
    "sa_solver_pece": SolverSampler(
        partial(sa_solver, adams=Adams(looks_again=True)), takes_schedule=True, follows_ratio=True
    ),
    "ddim": SolverSampler(euler, redraws_masked=True),
    "uni_pc": SolverSampler(uni_pc, omits_penultimate=True),
    "uni_pc_bh2": SolverSampler(partial(uni_pc, variant="bh2"), omits_penultimate=True),
}
"""Name → sampler."""
