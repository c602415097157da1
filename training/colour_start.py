"""Start an autoencoder as a codec of blurred colour pictures instead of as noise.

A randomly started autoencoder finds brightness within minutes, but its group normalisations take
differences of colour away and it needs half an hour to find a way around them. Here a straight path is
laid before training: the first three latents are brightness and two colour axes, averaged over a cell,
and the decoder shows them. Everything else is learnt around that path.

The path crosses each output normalisation in channels of opposite sign, because
silu(x) - silu(-x) = x, beside constant channels that keep the normalisation's divisor steady.
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

TO_YCBCR = ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081))
TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344, -0.714), (1.0, 1.772, 0.0))
AXES = 3
STEADY = 3.0
STEADY_PAIRS = 3


@torch.no_grad()
def start_from_colour(autoencoder: AutoencoderKL) -> None:
    """Lay the colour path through an untrained autoencoder, in place."""
    for module in autoencoder.modules():
        if isinstance(module, nn.Conv2d):
            module.bias.zero_()
    for resnet in _resnets(autoencoder):
        resnet.conv2.weight.mul_(0.1)
    _lay_encoder(autoencoder)
    _lay_decoder(autoencoder)
    for one_by_one in (autoencoder.quant_conv, autoencoder.post_quant_conv):
        nn.init.dirac_(one_by_one.weight)


def _lay_encoder(autoencoder: AutoencoderKL) -> None:
    encoder = autoencoder.encoder
    encoder.conv_in.weight[:AXES] = 0
    encoder.conv_in.weight[:AXES, :, 1, 1] = torch.tensor(TO_YCBCR)
    *blocks, last = encoder.down_blocks
    for block in blocks:
        _pass_on(block.resnets[0].conv_shortcut)
        downsample = block.downsamplers[0].conv
        downsample.weight[:AXES] = 0
        for axis in range(AXES):
            # The layer pads at the right and bottom only, so taps 0 and 1 cover a cell.
            downsample.weight[axis, axis, :2, :2] = 0.25
    _pass_on(last.resnets[0].conv_shortcut)
    _split_signs(last.resnets[0].conv_shortcut)
    _join_signs(encoder.conv_out, torch.eye(AXES) * torch.tensor([1.5, 4.0, 4.0]))
    channels = autoencoder.config["latent_channels"]
    encoder.conv_out.weight[channels:] *= 0.1
    encoder.conv_out.bias[channels:] = -6


def _lay_decoder(autoencoder: AutoencoderKL) -> None:
    decoder = autoencoder.decoder
    decoder.conv_in.weight[:AXES] = 0
    for axis in range(AXES):
        decoder.conv_in.weight[axis, axis, 1, 1] = 1
    for block in decoder.up_blocks:
        _pass_on(block.resnets[0].conv_shortcut)
        if block.upsamplers:
            _pass_on(block.upsamplers[0].conv)
    last = decoder.up_blocks[-1].resnets[0].conv_shortcut
    _split_signs(last)
    _join_signs(decoder.conv_out, torch.tensor(TO_RGB) / torch.tensor([1.5, 4.0, 4.0]))


def _resnets(autoencoder: AutoencoderKL) -> list[nn.Module]:
    return [module for module in autoencoder.modules() if hasattr(module, "conv2")]


def _pass_on(layer: nn.Conv2d | None) -> None:
    """Make the first channels of a layer copies of its first inputs."""
    if layer is None:
        return
    centre = layer.kernel_size[0] // 2
    layer.weight[:AXES] = 0
    for axis in range(AXES):
        layer.weight[axis, axis, centre, centre] = 1


def _split_signs(shortcut: nn.Conv2d) -> None:
    """Add the negatives of the colour channels, and pairs of constants at the end."""
    shortcut.weight[AXES : 2 * AXES] = -shortcut.weight[:AXES]
    pairs = shortcut.weight[-2 * STEADY_PAIRS :]
    pairs.zero_()
    shortcut.bias[-2 * STEADY_PAIRS :] = torch.tensor([STEADY, -STEADY] * STEADY_PAIRS)


def _join_signs(output: nn.Conv2d, matrix: Tensor) -> None:
    """Read the colour channels, with the divisor that the constants cause, into the first outputs."""
    channels = output.in_channels
    divisor = STEADY * (2 * STEADY_PAIRS / channels) ** 0.5
    rows = matrix.shape[0]
    output.weight[:rows] *= 0.1
    output.weight[:rows, : 2 * AXES] = 0
    output.weight[:rows, :AXES, 1, 1] = matrix * divisor
    output.weight[:rows, AXES : 2 * AXES, 1, 1] = -matrix * divisor
