"""What models were made for, in words, judged by what they hold."""

import pytest

from bridge.errors import ModelError
from bridge.models import family_words, folder_of, kind_of, read_header
from bridge.models.family import _USES
from bridge.models.place import FOLDER_OF_KIND

from .conftest import Write

ATTENTION = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
ADAPTER = {f"body.{level}.block1.weight": (4, 4, 3, 3) for level in range(2)}


@pytest.mark.parametrize(
    ("shapes", "kind", "words"),
    [
        ({f"{ATTENTION}.lora_down.weight": (4, 2048), f"{ATTENTION}.lora_up.weight": (9, 4)}, "lora", "SDXL"),
        ({"lora_unet_x.lora_down.weight": (4, 9), "lora_unet_x.lora_up.weight": (9, 4)}, "lora", ""),
        ({"lora_te2_x.lora_down.weight": (4, 9), "lora_te2_x.lora_up.weight": (9, 4)}, "lora", "SDXL"),
        ({"emb_params": (3, 768)}, "embedding", "Stable Diffusion 1.x"),
        ({"clip_l": (3, 768), "clip_g": (3, 1280)}, "embedding", "SDXL"),
        ({"conv_first.weight": (64, 3, 3, 3)}, "upscaler", ""),
        ({"what": (1,)}, "unknown", ""),
        ({"encoder.conv_in.weight": (1, 3)}, "vae", ""),
        ({"text_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}, "text_encoder", ""),
        ({"vision_model.encoder.layers.0.mlp.fc1.weight": (4, 4)}, "clip_vision", ""),
        ({"control_model.input_blocks.1.1.x.attn2.to_k.weight": (320, 768)}, "controlnet", ""),
    ],
)  # fmt: skip
def test_families_are_told_or_left_open(
    shapes: dict[str, tuple[int, ...]], kind: str, words: str, write: Write
) -> None:
    header = read_header(write("a.safetensors", shapes=shapes))
    assert kind_of(header) == kind
    assert family_words(header, "a") == words


def test_every_kind_belongs_where_its_loader_looks(write: Write) -> None:
    for kind, use in _USES.items():
        assert use.startswith(f"{FOLDER_OF_KIND[kind]}/"), kind


def test_a_wrong_folder_names_the_right_one(write: Write) -> None:
    header = read_header(write("a.safetensors", shapes={"emb_params": (3, 768)}))
    assert folder_of(header, "a") == folder_of(header, "a", "embeddings") == "embeddings"
    with pytest.raises(ModelError, match="embeddings/"):
        folder_of(header, "a", "vae")
