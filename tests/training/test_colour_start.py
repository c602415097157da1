import numpy as np
import torch

from training.colour_start import start_from_colour
from training.evaluate.metrics import mean_psnr
from training.latents import decode, encode
from training.networks import SCALING_FACTOR, Sizes, make_autoencoder


def test_an_untrained_autoencoder_shows_a_blurred_colour_picture():
    torch.manual_seed(0)
    autoencoder = make_autoencoder(Sizes()).eval()
    y, x = np.mgrid[0:64, 0:64]
    picture = np.stack([3 * x, 255 - 3 * y, np.full_like(x, 90)], -1).astype(np.uint8)[None]
    before = mean_psnr([(decode(autoencoder, encode(autoencoder, picture) * SCALING_FACTOR), picture)])
    start_from_colour(autoencoder)
    after = mean_psnr([(decode(autoencoder, encode(autoencoder, picture) * SCALING_FACTOR), picture)])
    assert before < 15
    assert after > 22
