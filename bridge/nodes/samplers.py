"""Samplers for custom sampling."""

from functools import partial
from typing import Annotated, Literal

from bridge.diffusion import (
    SAMPLERS,
    Adams,
    Model,
    Sampler,
    SolverSampler,
    Tolerance,
    dpm_adaptive,
    dpmpp_2m_sde,
    dpmpp_2s_ancestral,
    dpmpp_3m_sde,
    dpmpp_sde,
    er_sde,
    euler_alternative_cfg_pp,
    euler_ancestral,
    euler_ancestral_cfg_pp,
    lms,
    sa_solver,
)
from bridge.errors import InputError
from bridge.graph import Choices, Range, Tooltip, node

CATEGORY = "sampling/custom_sampling/samplers"
DRAWS_ON_CPU = "Noise comes from the CPU whatever is chosen, so that a seed means the same on every device."
Eta = Annotated[float, Range(0.0, 100.0, 0.01), Tooltip("How much fresh noise; 0 is none.")]
NoiseScale = Annotated[float, Range(0.0, 100.0, 0.01), Tooltip("What fresh noise is multiplied by.")]
Weight = Annotated[float, Range(0.0, 100.0, 0.01)]
Share = Annotated[float, Range(0.0, 1.0, 0.001), Tooltip("A share of the way from noise to picture.")]
NoiseDevice = Literal["gpu", "cpu"]


@node(
    "KSamplerSelect",
    category=CATEGORY,
    differs="Fresh noise of ancestral samplers is drawn with the seed + 1, as ComfyUI does on the CPU since "
    "0.3.64, which repeated the first noise there; samplers in _gpu draw on the CPU, as the others do; "
    "sa_solver ends at the last level where that is not 0, in ComfyUI one before; uni_pc, dpm_fast and "
    "dpm_adaptive denoise in a single step too, where ComfyUI gives back the noise.",
)
def ksampler_select(sampler_name: Annotated[str, Choices(tuple(SAMPLERS))]) -> Sampler:
    """Choose how the sampler goes from noise to picture."""
    return SAMPLERS[sampler_name]


@node("SamplerEulerAncestral", category=CATEGORY)
def sampler_euler_ancestral(eta: Eta = 1.0, s_noise: NoiseScale = 1.0) -> Sampler:
    """Take straight steps, with fresh noise after each."""
    return SolverSampler(partial(euler_ancestral, eta=eta, noise_scale=s_noise), takes_schedule=True)


@node("SamplerEulerAncestralCFGPP", category=CATEGORY, display_name="SamplerEulerAncestralCFG++")
def sampler_euler_ancestral_cfg_pp(
    eta: Annotated[float, Range(0.0, 1.0, 0.01)] = 1.0,
    s_noise: Annotated[float, Range(0.0, 10.0, 0.01)] = 1.0,
) -> Sampler:
    """Take straight steps, with fresh noise after each, guided by CFG++: use a cfg around 1."""
    return SolverSampler(partial(euler_ancestral_cfg_pp, eta=eta, noise_scale=s_noise), takes_schedule=True)


@node("SamplerLMS", category=CATEGORY)
def sampler_lms(order: Annotated[int, Range(1, 100)] = 4) -> Sampler:
    """Extrapolate from the slopes of so many steps."""
    return SolverSampler(partial(lms, order=order))


@node("SamplerDPMPP_3M_SDE", category=CATEGORY, differs=DRAWS_ON_CPU)
def sampler_dpmpp_3m_sde(eta: Eta = 1.0, s_noise: NoiseScale = 1.0, *, noise_device: NoiseDevice) -> Sampler:
    """Extrapolate from three steps, with fresh noise after each."""
    return SolverSampler(partial(dpmpp_3m_sde, eta=eta, noise_scale=s_noise), follows_ratio=True)


@node("SamplerDPMPP_2M_SDE", category=CATEGORY, differs=DRAWS_ON_CPU)
def sampler_dpmpp_2m_sde(
    solver_type: Literal["midpoint", "heun"],
    eta: Eta = 1.0,
    s_noise: NoiseScale = 1.0,
    *,
    noise_device: NoiseDevice,
) -> Sampler:
    """Extrapolate from two steps, with fresh noise after each."""
    return SolverSampler(
        partial(dpmpp_2m_sde, eta=eta, noise_scale=s_noise, rule=solver_type), follows_ratio=True
    )


@node("SamplerDPMPP_SDE", category=CATEGORY, differs=DRAWS_ON_CPU)
def sampler_dpmpp_sde(
    eta: Eta = 1.0,
    s_noise: NoiseScale = 1.0,
    r: Annotated[float, Range(0.0, 100.0, 0.01)] = 0.5,
    *,
    noise_device: NoiseDevice,
) -> Sampler:
    """Look twice at every step, with fresh noise after each look."""
    if r == 0:
        raise InputError(
            "the second look would be where the first was",
            code="out_of_range",
            hint="Use an r above 0; 0.5 looks at the middle of a step.",
            input_name="r",
        )
    return SolverSampler(partial(dpmpp_sde, eta=eta, noise_scale=s_noise, r=r), follows_ratio=True)


@node("SamplerDPMPP_2S_Ancestral", category=CATEGORY)
def sampler_dpmpp_2s_ancestral(eta: Eta = 1.0, s_noise: NoiseScale = 1.0) -> Sampler:
    """Look twice at every step, with fresh noise after each."""
    return SolverSampler(partial(dpmpp_2s_ancestral, eta=eta, noise_scale=s_noise), takes_schedule=True)


@node("SamplerDPMAdaptative", category=CATEGORY)
def sampler_dpm_adaptive(
    order: Annotated[int, Range(2, 3)] = 3,
    rtol: Weight = 0.05,
    atol: Weight = 0.0078,
    h_init: Weight = 0.05,
    pcoeff: Weight = 0.0,
    icoeff: Weight = 1.0,
    dcoeff: Weight = 0.0,
    accept_safety: Weight = 0.81,
    eta: Eta = 0.0,
    s_noise: NoiseScale = 1.0,
) -> Sampler:
    """Choose steps by the error they make."""
    tolerance = Tolerance(order, rtol, atol, h_init, pcoeff, icoeff, dcoeff, accept_safety)
    return SolverSampler(partial(dpm_adaptive, tolerance=tolerance, eta=eta, noise_scale=s_noise))


@node("SamplerEulerCFGpp", category="_for_testing", display_name="SamplerEulerCFG++")
def sampler_euler_cfg_pp(version: Literal["regular", "alternative"]) -> Sampler:
    """Take straight steps, guided by CFG++: use a cfg around 1."""
    return SAMPLERS["euler_cfg_pp"] if version == "regular" else SolverSampler(euler_alternative_cfg_pp)


@node("SamplerER_SDE", category=CATEGORY)
def sampler_er_sde(
    solver_type: Literal["ER-SDE", "Reverse-time SDE", "ODE"],
    max_stage: Annotated[int, Range(1, 3), Tooltip("From how many steps it extrapolates.")] = 3,
    eta: Annotated[
        float, Range(0.0, 100.0, 0.01), Tooltip("How much noise the reverse-time SDE has; 0 is none.")
    ] = 1.0,
    s_noise: NoiseScale = 1.0,
) -> Sampler:
    """Extrapolate from three steps, with the amount of fresh noise that keeps most detail."""
    if solver_type == "ER-SDE":
        return SolverSampler(partial(er_sde, order=max_stage, noise_scale=s_noise), follows_ratio=True)
    strength = eta if solver_type == "Reverse-time SDE" else 0.0
    return SolverSampler(
        partial(er_sde, order=max_stage, noise_scale=s_noise if strength else 0.0, eta=strength),
        follows_ratio=True,
    )


@node(
    "SamplerSASolver",
    category=CATEGORY,
    differs="Ends at the last level where that is not 0, in ComfyUI one before.",
)
def sampler_sa_solver(
    model: Model,
    eta: Annotated[float, Range(0.0, 10.0, 0.01), Tooltip("How much fresh noise; 0 is none.")] = 1.0,
    sde_start_percent: Share = 0.2,
    sde_end_percent: Share = 0.8,
    s_noise: NoiseScale = 1.0,
    predictor_order: Annotated[int, Range(1, 6)] = 3,
    corrector_order: Annotated[int, Range(0, 6), Tooltip("0 corrects nothing.")] = 4,
    *,
    use_pece: Annotated[bool, Tooltip("Look twice at every step.")],
    simple_order_2: Annotated[bool, Tooltip("Weigh two steps by a simpler rule.")],
) -> Sampler:
    """Extrapolate from some steps, correct each by what comes of it, with fresh noise in the middle."""
    adams = Adams(
        predictor_order,
        corrector_order,
        eta,
        sde_start_percent,
        sde_end_percent,
        s_noise,
        looks_again=use_pece,
        is_simple=simple_order_2,
    )
    return SolverSampler(partial(sa_solver, schedule=model.schedule, adams=adams), follows_ratio=True)
