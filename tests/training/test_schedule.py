import torch

from training.schedule import noise_level, signal, style_share, trailing_timesteps, viewport_share


def test_signal_and_noise_keep_unit_variance():
    timesteps = torch.arange(1000)
    assert torch.allclose(signal(timesteps) ** 2 + noise_level(timesteps) ** 2, torch.ones(1000, 1, 1, 1))


def test_signal_is_that_of_stable_diffusion_at_the_end():
    # alphas_cumprod[999] of the scaled-linear schedule is 0.0047.
    assert abs(float(signal(torch.tensor([999]))) ** 2 - 0.00466) < 1e-4


def test_img2img_begins_with_the_whole_viewport():
    start = torch.tensor([300, 700, 959])
    assert torch.allclose(viewport_share(start, start), torch.ones(3, 1, 1, 1))


def test_perfect_predictions_and_euler_steps_follow_the_viewport_share():
    start, viewport, style, noise = 420, 2.0, -1.0, 0.7
    wanted = viewport + float(style_share(torch.tensor([start]))) * (style - viewport)
    sigma = {t: float(noise_level(torch.tensor([t])) / signal(torch.tensor([t]))) for t in (start, 250, 90)}
    latent = viewport + sigma[start] * noise
    for now, then in ((start, 250), (250, 90)):
        latent = wanted + (latent - wanted) * sigma[then] / sigma[now]
        left = float(viewport_share(torch.tensor([start]), torch.tensor([then])))
        # The share is that of the noise-free part in viewport and full style.
        assert abs(latent - (style + left * (viewport - style) + sigma[then] * noise)) < 1e-5


def test_low_denoise_keeps_and_high_denoise_replaces():
    low, high = style_share(torch.tensor([60, 700])).flatten().tolist()
    assert low == 0.0
    assert high == 1.0


def test_trailing_timesteps_start_at_the_last_and_take_the_tail_for_low_strength():
    assert trailing_timesteps(4) == [999, 749, 499, 249]
    assert trailing_timesteps(1) == [999]
    assert trailing_timesteps(4, 0.5) == [499, 374, 249, 124]
    assert trailing_timesteps(4, 0.6) == [666, 499, 332, 166]
