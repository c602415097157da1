"""Attention multiplied by its weights; ComfyUI's numbers are in tests/parity, topic ``patches``."""

import torch

from bridge.diffusion import DiffusionModel, TextEncoder, multiply_attention, multiply_text_attention


def test_weights_and_biases_of_one_kind_are_multiplied(model: DiffusionModel) -> None:
    changed = multiply_attention(model, "cross", (1.0, 2.0, 1.0, 0.5)).unet.module()
    for name, weight in model.unet.module().named_parameters():
        factor = 2.0 if ".attn2.to_k." in name else 0.5 if ".attn2.to_out." in name else 1.0
        torch.testing.assert_close(changed.get_parameter(name), weight * factor)


def test_gains_of_one_leave_the_network_alone(model: DiffusionModel) -> None:
    assert multiply_attention(model, "self", (1.0, 1.0, 1.0, 1.0)).unet is model.unet


def test_every_layer_of_a_text_tower_is_multiplied(clip: TextEncoder) -> None:
    [before], [after] = clip.towers, multiply_text_attention(clip, (3.0, 1.0, 1.0, 1.0)).towers
    changed = [
        name
        for name, weight in before.network.module().named_parameters()
        if not torch.equal(after.network.module().get_parameter(name), weight)
    ]
    assert len(changed) == 3  # weights; the tower's biases are 0
    assert all("self_attn.q_proj.weight" in name for name in changed)
