"""Load an exported model folder."""

from pathlib import Path

from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from transformers import CLIPTextModel

from training.denoiser import Networks
from training.errors import TrainingError
from training.painter import Painter


def load_painter(folder: Path) -> Painter:
    """Load what `training.export.export` wrote, in float32.

    Raises:
        TrainingError: The folder holds no such model.
    """
    if not (folder / "controlnet_depth").is_dir():
        raise TrainingError(
            f"no exported model in {folder}", "Name a folder that python -m training made: OUT/model."
        )
    networks = Networks(
        CLIPTextModel.from_pretrained(folder / "text_encoder").float(),
        UNet2DConditionModel.from_pretrained(folder / "unet").float(),
        ControlNetModel.from_pretrained(folder / "controlnet_depth").float(),
        ControlNetModel.from_pretrained(folder / "controlnet_canny").float(),
    )
    autoencoder = AutoencoderKL.from_pretrained(folder / "vae").float()
    return Painter(networks.eval(), autoencoder.eval(), folder / "tokenizer")
