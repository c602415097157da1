"""Every kind of adapter against its formula, written out otherwise."""

import pytest
import torch
from torch import Tensor

from bridge.diffusion.adapters import changed

OUT, IN, RANK = 8, 6, 2


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))


W = noise(OUT, IN)
KERNEL = noise(OUT, IN, 3, 3)
UP, DOWN = noise(OUT, RANK), noise(RANK, IN)


def test_low_rank_adds_the_product_times_alpha_over_rank() -> None:
    parts = {"up": UP, "down": DOWN, "alpha": torch.tensor(1.0)}
    torch.testing.assert_close(changed("lora", W, parts, 0.8), W + 0.8 * 0.5 * UP @ DOWN)


def test_without_alpha_the_scale_is_one_and_strength_may_be_negative() -> None:
    torch.testing.assert_close(changed("lora", W, {"up": UP, "down": DOWN}, -2.0), W - 2 * UP @ DOWN)


def test_a_convolution_follows_another() -> None:
    up, mid, down = noise(OUT, RANK, 1, 1), noise(RANK, RANK, 3, 3), noise(RANK, IN, 1, 1)
    image = noise(1, IN, 5, 5)
    whole = changed("lora", torch.zeros_like(KERNEL), {"up": up, "mid": mid, "down": down}, 1.0)
    conv = torch.nn.functional.conv2d
    torch.testing.assert_close(conv(image, whole), conv(conv(conv(image, down), mid), up))


def test_a_weight_keeps_the_norms_that_were_trained_apart() -> None:
    parts = {"up": UP, "down": DOWN, "dora_scale": 1 + noise(1, IN).abs()}
    result = changed("lora", W, parts, 1.0)
    torch.testing.assert_close(result.norm(dim=0, keepdim=True), parts["dora_scale"])
    torch.testing.assert_close(changed("lora", W, parts, 0.5), (W + result) / 2)


def test_peft_keeps_a_norm_for_each_output() -> None:
    parts = {"up": UP, "down": DOWN, "magnitude": 1 + noise(OUT).abs()}
    torch.testing.assert_close(changed("lora", W, parts, 1.0).norm(dim=1), parts["magnitude"])


def test_norms_of_outputs_are_divided_by_the_original_ones() -> None:
    parts = {"up": UP, "down": DOWN, "dora_scale": 1 + noise(OUT, 1).abs()}
    expected = (W + UP @ DOWN) * parts["dora_scale"] / W.norm(dim=1, keepdim=True)
    torch.testing.assert_close(changed("lora", W, parts, 1.0), expected)


def test_hadamard_product() -> None:
    parts = {"w1_a": UP, "w1_b": DOWN, "w2_a": UP + 1, "w2_b": DOWN - 1, "alpha": torch.tensor(3.0)}
    expected = W + 1.5 * (UP @ DOWN) * ((UP + 1) @ (DOWN - 1))
    torch.testing.assert_close(changed("loha", W, parts, 1.0), expected)


def test_tucker_cores_mix_the_factors() -> None:
    a, b, core = noise(RANK, OUT), noise(RANK, IN), noise(RANK, RANK, 3, 3)
    parts = {"w1_a": a, "w1_b": b, "t1": core, "w2_a": a, "w2_b": b, "t2": core}
    one = torch.stack([torch.stack([a.T @ core[..., y, x] @ b for x in range(3)], -1) for y in range(3)], -2)
    torch.testing.assert_close(changed("loha", KERNEL, parts, 1.0), KERNEL + one * one)


def test_kronecker_product() -> None:
    first, a, b = noise(4, 3), noise(2, 1), noise(1, 2)
    parts = {"w1": first, "w2_a": a, "w2_b": b, "alpha": torch.tensor(2.0)}
    torch.testing.assert_close(changed("lokr", W, parts, 1.0), W + 2 * torch.kron(first, a @ b))


def test_whole_kronecker_factors_ignore_alpha() -> None:
    parts = {"w1": noise(4, 3), "w2": noise(2, 2), "alpha": torch.tensor(100.0)}
    torch.testing.assert_close(changed("lokr", W, parts, 1.0), W + torch.kron(noise(4, 3), noise(2, 2)))


def test_kronecker_product_of_a_kernel() -> None:
    first, core, a, b = noise(4, 3), noise(1, 1, 3, 3), noise(1, 2), noise(1, 2)
    parts = {"w1": first, "t2": core, "w2_a": a, "w2_b": b}
    result = changed("lokr", KERNEL, parts, 1.0) - KERNEL
    torch.testing.assert_close(result[..., 1, 2], torch.kron(first, a.T @ b) * core[0, 0, 1, 2])


def test_both_layouts_of_glora_mean_the_same() -> None:
    a, b, c, d = noise(IN, RANK), noise(RANK, IN), noise(OUT, RANK), noise(RANK, IN, seed=1)
    expected = W + W @ a @ b + c @ d
    for parts in ({"a1": a, "a2": b, "b1": c, "b2": d}, {"a1": b, "a2": a, "b1": d, "b2": c}):
        torch.testing.assert_close(changed("glora", W, parts, 1.0), expected)


def test_turning_outputs_keeps_the_length_of_inputs() -> None:
    parts = {"blocks": noise(2, 4, 4), "alpha": torch.tensor(0.5)}
    torch.testing.assert_close(changed("oft", W, parts, 1.0).norm(dim=0), W.norm(dim=0))


def test_a_bound_limits_the_turn() -> None:
    free = {"blocks": 0.01 * noise(2, 4, 4)}
    loose, tight = ({**free, "alpha": torch.tensor(alpha)} for alpha in (100.0, 0.001))
    turned = changed("oft", W, free, 1.0)
    torch.testing.assert_close(changed("oft", W, loose, 1.0), turned)
    assert (changed("oft", W, tight, 1.0) - W).norm() < 0.1 * (turned - W).norm()


def test_differences_are_added() -> None:
    torch.testing.assert_close(changed("difference", W, {"diff": W}, 0.5), 1.5 * W)


def test_another_number_of_outputs_is_refused() -> None:
    with pytest.raises(ValueError, match="4 outputs"):
        changed("lora", W, {"up": noise(4, RANK), "down": noise(RANK, 12)}, 1.0)
