"""Shapes of networks in diffusers' naming style; ``test_family`` has the original's."""

from bridge.builtin import model_folder
from bridge.models import AutoencoderLayout, TextLayout, UNetLayout, is_ldm, read_header
from bridge.models.layout import Shapes, autoencoder_layout, strip, text_layout, unet_layout


def shapes_of(folder: str, stem: str = "diffusion_pytorch_model") -> Shapes:
    return read_header(model_folder() / folder / f"{stem}.safetensors").shapes


def test_a_unet() -> None:
    layout = unet_layout(shapes_of("unet"))
    assert isinstance(layout, UNetLayout)
    assert layout.in_channels == 4
    assert layout.hint_channels == ()
    assert len(layout.channels) == len(layout.depths) == len(layout.decoder_depths)
    assert layout.depths[-1] == layout.decoder_depths[0] == 0
    assert layout.middle_depth == 1


def test_a_controlnet_has_the_encoder_of_its_unet() -> None:
    unet, control = unet_layout(shapes_of("unet")), unet_layout(shapes_of("controlnet_depth"))
    assert unet
    assert control
    assert (control.channels, control.depths, control.blocks) == (unet.channels, unet.depths, unet.blocks)
    assert control.decoder_depths == ()
    assert len(control.hint_channels) == 3


def test_an_autoencoder() -> None:
    layout = autoencoder_layout(shapes_of("vae"))
    assert isinstance(layout, AutoencoderLayout)
    assert len(layout.channels) == 3
    assert layout.latent_channels == 4


def test_a_text_tower() -> None:
    shapes = shapes_of("text_encoder", "model")
    layout = text_layout(strip(shapes, "text_model.") or shapes)
    assert isinstance(layout, TextLayout)
    assert (layout.vocabulary, layout.positions) == (49408, 77)


def test_something_else_has_no_layout() -> None:
    other: Shapes = {"something": (3, 3)}
    assert unet_layout(other) is None
    assert autoencoder_layout(other) is None
    assert text_layout(other) is None
    assert unet_layout({}) is None


def test_styles_are_told_apart() -> None:
    assert is_ldm(["input_blocks.0.0.weight"])
    assert not is_ldm(["down_blocks.0.resnets.0.conv1.weight"])
