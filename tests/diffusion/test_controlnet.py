"""ControlNets as networks, and what a union knows of its pictures."""

import pytest
import torch

from bridge.diffusion.controlnet import SteeringNetwork, UnionEncoder
from bridge.diffusion.networks import empty_controlnet

WIDTH, TYPES = 16, 6


def seeded(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) / 4
    return module


@pytest.fixture
def union() -> UnionEncoder:
    encoder = seeded(UnionEncoder(WIDTH, TYPES))
    assert isinstance(encoder, UnionEncoder)
    return encoder


def test_the_picture_is_read_once() -> None:
    """The network that runs at every step has no picture encoder left."""
    whole = empty_controlnet({})
    count = sum(parameter.numel() for parameter in whole.controlnet_cond_embedding.parameters())
    steering = SteeringNetwork(whole)
    assert sum(p.numel() for p in steering.picture_encoder.parameters()) == count
    assert list(steering.network.controlnet_cond_embedding.parameters()) == []


def test_a_type_moves_the_embedding_as_one_token_of_a_whole_attention_would(union: UnionEncoder) -> None:
    attention = torch.nn.MultiheadAttention(WIDTH, 8, batch_first=True)
    attention.in_proj_weight.data[2 * WIDTH :] = union.value.weight
    attention.in_proj_bias.data[2 * WIDTH :] = union.value.bias
    attention.out_proj = union.out_proj  # type: ignore[assignment]
    embedding = torch.randn(2, WIDTH, 4, 4)
    token = (embedding.mean((2, 3)) + union.task_embedding[4])[:, None]
    normed = union.ln_1(token)
    token = token + attention(normed, normed, normed, need_weights=False)[0]
    inner = union.c_fc(union.ln_2(token))
    token = token + union.c_proj(inner * torch.sigmoid(1.702 * inner))
    expected = embedding + union.spatial_ch_projs(token[:, 0])[..., None, None]
    torch.testing.assert_close(union(embedding, 4)[0], expected)


def test_no_type_leaves_the_embedding_alone(union: UnionEncoder) -> None:
    embedding = torch.randn(2, WIDTH, 4, 4)
    found, label = union(embedding, None)
    assert torch.equal(found, embedding)
    assert label.shape == (1, 4 * WIDTH)
    assert not torch.equal(label, union(embedding, 0)[1])
