import torch

from bridge.imaging import canny as find_lines
from bridge.nodes.canny import canny


def test_each_picture_of_a_batch_gets_its_lines_in_three_channels():
    images = torch.zeros(2, 32, 32, 3)
    images[1, :, 16:] = 1
    lines = canny(images)
    assert lines.shape == (2, 32, 32, 3)
    assert lines[0].max() == 0
    assert torch.equal(lines[1, ..., 2], torch.from_numpy(find_lines(images[1].numpy(), 0.4, 0.8)))
    assert lines[1].sum() == 3 * 32


def test_alpha_is_not_looked_at():
    images = torch.ones(1, 32, 32, 4)
    images[..., 16:, 3] = 0
    assert canny(images).max() == 0
