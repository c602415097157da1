"""Samplers: from noise to latents along a list of noise levels.

A sampler is an async generator. It awaits the denoiser for every model call and yields the latents
after every step, with what the model took them for at its beginning. All are written in the
variance-exploding picture (x = x0 + sigma · noise), in which all prediction types look alike.
"""

from bridge.diffusion.samplers.dpm_solver import Tolerance, dpm_adaptive
from bridge.diffusion.samplers.dpmpp import dpmpp_2m_sde, dpmpp_3m_sde, dpmpp_sde
from bridge.diffusion.samplers.euler import euler_alternative_cfg_pp, euler_ancestral, euler_ancestral_cfg_pp
from bridge.diffusion.samplers.multistep import lms
from bridge.diffusion.samplers.names import SAMPLERS, Sampler, SolverSampler
from bridge.diffusion.samplers.sa_solver import Adams, sa_solver
from bridge.diffusion.samplers.singlestep import dpmpp_2s_ancestral
from bridge.diffusion.samplers.step import Denoise, Step, Steps
from bridge.diffusion.samplers.stochastic import er_sde

__all__ = [
    "SAMPLERS",
    "Adams",
    "Denoise",
    "Sampler",
    "SolverSampler",
    "Step",
    "Steps",
    "Tolerance",
    "dpm_adaptive",
    "dpmpp_2m_sde",
    "dpmpp_2s_ancestral",
    "dpmpp_3m_sde",
    "dpmpp_sde",
    "er_sde",
    "euler_alternative_cfg_pp",
    "euler_ancestral",
    "euler_ancestral_cfg_pp",
    "lms",
    "sa_solver",
]
