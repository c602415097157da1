"""Write small random adapters and embeddings for the parity checkpoints, one file for each layout.

Usage: python make_loras.py MODELS_FOLDER
"""

import math
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Shape = tuple[int, ...]
Tensors = dict[str, np.ndarray]

RANK = 4
UNET: tuple[tuple[str, str, Shape], ...] = (
    ("down_blocks.1.attentions.0.proj_in", "input_blocks.3.1.proj_in", (640, 640, 1, 1)),
    (
        "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0",
        "input_blocks.3.1.transformer_blocks.0.attn1.to_out.0",
        (640, 640),
    ),
    (
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k",
        "input_blocks.3.1.transformer_blocks.0.attn2.to_k",
        (640, 768),
    ),
    (
        "up_blocks.1.attentions.1.transformer_blocks.0.ff.net.2",
        "output_blocks.3.1.transformer_blocks.0.ff.net.2",
        (320, 1280),
    ),
    ("mid_block.resnets.0.conv1", "middle_block.0.in_layers.2", (640, 640, 3, 3)),
)
"""Modules in diffusers' and in the original naming, and the shape of their weight."""

ATTENTION = UNET[1:3]
TEXT: tuple[tuple[str, Shape], ...] = (
    ("text_model.encoder.layers.0.self_attn.q_proj", (768, 768)),
    ("text_model.encoder.layers.5.mlp.fc1", (3072, 768)),
)

XL_ATTENTION: tuple[tuple[str, str, Shape], ...] = (
    (
        "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_q",
        "input_blocks.3.1.transformer_blocks.1.attn1.to_q",
        (640, 640),
    ),
    (
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_v",
        "middle_block.1.transformer_blocks.0.attn2.to_v",
        (640, 2048),
    ),
)
XL_UNET: tuple[tuple[str, str, Shape], ...] = (
    ("down_blocks.1.resnets.0.conv1", "input_blocks.3.0.in_layers.2", (640, 320, 3, 3)),
    ("down_blocks.1.attentions.0.proj_in", "input_blocks.3.1.proj_in", (640, 640)),
    *XL_ATTENTION,
)
XL_TEXT: tuple[tuple[tuple[str, Shape], ...], ...] = (
    (
        ("text_model.encoder.layers.0.self_attn.k_proj", (768, 768)),
        ("text_model.encoder.layers.1.mlp.fc2", (768, 3072)),
    ),
    (
        ("text_model.encoder.layers.0.self_attn.v_proj", (1280, 1280)),
        ("text_model.encoder.layers.2.self_attn.out_proj", (1280, 1280)),
        ("text_model.encoder.layers.2.mlp.fc1", (5120, 1280)),
    ),
)
"""The same for SDXL, whose second text tower keeps query, key and value in one matrix."""

Draw = Callable[..., np.ndarray]


def drawer(file: str) -> Draw:
    """Return what draws tensors of a shape and deviation, from the stream of a file's name."""
    stream = np.random.Generator(np.random.Philox(key=zlib.crc32(file.encode())))
    return lambda *shape, spread=1.0: (spread * stream.standard_normal(shape)).astype(np.float32)


def low_rank(draw: Draw, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``up`` and ``down`` of a change about half as large as the weight."""
    kernel = tuple(1 for _ in shape[2:])
    up = draw(shape[0], RANK, *kernel, spread=0.5 / math.sqrt(RANK))
    return up, draw(RANK, *shape[1:], spread=1 / math.sqrt(math.prod(shape[1:])))


def kohya(draw: Draw, naming: int) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA and LoCon as kohya's scripts write them; ``naming`` picks a column of ``UNET``."""
    modules = [("lora_unet_" + each[naming].replace(".", "_"), each[2]) for each in UNET]
    modules += [("lora_te_" + name.replace(".", "_"), shape) for name, shape in TEXT]
    for stem, shape in modules:
        up, down = low_rank(draw, shape)
        yield from {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}.items()
        yield f"{stem}.alpha", np.array(2.0, np.float32)


def tucker(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LoCon with a middle convolution."""
    stem = "lora_unet_mid_block_resnets_0_conv1"
    yield f"{stem}.lora_up.weight", draw(640, RANK, 1, 1, spread=0.25)
    yield f"{stem}.lora_mid.weight", draw(RANK, RANK, 3, 3, spread=0.3)
    yield f"{stem}.lora_down.weight", draw(RANK, 640, 1, 1, spread=0.04)
    yield f"{stem}.alpha", np.array(3.0, np.float32)


def dora(draw: Draw, axis: int) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA with norms trained apart, along the outputs (0) or the inputs (1)."""
    for name, _, shape in UNET:
        stem = "lora_unet_" + name.replace(".", "_")
        up, down = low_rank(draw, shape)
        norms = [1] * len(shape)
        norms[axis] = shape[axis]
        yield f"{stem}.dora_scale", 1.0 + draw(*norms, spread=0.2)
        yield from {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}.items()
        yield f"{stem}.alpha", np.array(2.0, np.float32)


def diffusers(
    draw: Draw,
    up: str,
    down: str,
    *,
    processor: bool = False,
    attention: Sequence[tuple[str, str, Shape]] = ATTENTION,
    towers: Sequence[Sequence[tuple[str, Shape]]] = (TEXT,),
) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA as diffusers and PEFT write it, without ``alpha``."""
    for name, _, shape in attention:
        stem = f"unet.{name}"
        if processor:
            stem = stem.replace(".to_", ".processor.to_").removesuffix(".0")
        first, second = low_rank(draw, shape)
        yield from {f"{stem}{up}": first, f"{stem}{down}": second}.items()
    linear = ".lora_linear_layer" if processor else ""
    ends = (f"{linear}.up.weight", f"{linear}.down.weight") if processor else (up, down)
    for owner, tower in zip(("text_encoder", "text_encoder_2"), towers, strict=False):
        for name, shape in tower:
            first, second = low_rank(draw, shape)
            yield from {f"{owner}.{name}{ends[0]}": first, f"{owner}.{name}{ends[1]}": second}.items()


def loha(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LyCORIS's Hadamard products; of the convolution's Tucker form too."""
    for name, _, shape in UNET:
        stem = "lora_unet_" + name.replace(".", "_")
        is_tucker = math.prod(shape[2:]) > 1
        columns = shape[1] if is_tucker else math.prod(shape[1:])
        for number in (1, 2):
            if is_tucker:
                yield f"{stem}.hada_t{number}", draw(RANK, RANK, *shape[2:], spread=0.3)
            outer = (RANK, shape[0]) if is_tucker else (shape[0], RANK)
            yield f"{stem}.hada_w{number}_a", draw(*outer, spread=0.3)
            yield f"{stem}.hada_w{number}_b", draw(RANK, columns, spread=0.15)
        yield f"{stem}.alpha", np.array(2.0, np.float32)


def lokr(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LyCORIS's Kronecker products, whole and factored."""
    for index, (name, _, shape) in enumerate(UNET):
        stem = "lora_unet_" + name.replace(".", "_")
        outputs, inputs = shape[0] // 8, math.prod(shape[1:]) // 4
        if index % 2:
            yield f"{stem}.lokr_w1_a", draw(8, 2, spread=0.5)
            yield f"{stem}.lokr_w1_b", draw(2, 4, spread=0.5)
        else:
            yield f"{stem}.lokr_w1", draw(8, 4, spread=0.5)
        if index == 1:
            yield f"{stem}.lokr_w2", draw(outputs, inputs, spread=0.05)
        else:
            yield f"{stem}.lokr_w2_a", draw(outputs, RANK, spread=0.1)
            yield f"{stem}.lokr_w2_b", draw(RANK, inputs, spread=0.1)
        yield f"{stem}.alpha", np.array(2.0, np.float32)


def glora(draw: Draw, *, older: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Changes that depend on the weight, in LyCORIS's two layouts."""
    for name, _, (outputs, inputs, *_) in UNET[1:4]:
        stem = "lora_unet_" + name.replace(".", "_")
        shapes = ((inputs, RANK), (RANK, inputs), (outputs, RANK), (RANK, inputs))
        if older:
            shapes = (shapes[1], shapes[0], shapes[3], shapes[2])
        for part, shape in zip(("a1", "a2", "b1", "b2"), shapes, strict=True):
            yield f"{stem}.{part}.weight", draw(*shape, spread=0.06)


def oft(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """Orthogonal turns of groups of outputs, with a bound."""
    for name, _, shape in UNET:
        stem = "lora_unet_" + name.replace(".", "_")
        yield f"{stem}.oft_blocks", draw(shape[0] // 8, 8, 8, spread=0.2)
        yield f"{stem}.alpha", np.array(6.0, np.float32)


def difference(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """Whole differences of weights, biases and norms."""
    name, _, shape = UNET[3]
    stem = "lora_unet_" + name.replace(".", "_")
    yield f"{stem}.diff", draw(*shape, spread=0.01)
    yield f"{stem}.diff_b", draw(shape[0], spread=0.1)
    yield "lora_unet_mid_block_attentions_0_norm.w_norm", draw(640, spread=0.1)
    yield "lora_unet_mid_block_attentions_0_norm.b_norm", draw(640, spread=0.1)


def kohya_xl(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA for SDXL as kohya's scripts write it: the UNet's modules in the original naming."""
    modules = [("lora_unet_" + name.replace(".", "_"), shape) for _, name, shape in XL_UNET]
    for number, tower in enumerate(XL_TEXT, start=1):
        modules += [(f"lora_te{number}_" + name.replace(".", "_"), shape) for name, shape in tower]
    for stem, shape in modules:
        up, down = low_rank(draw, shape)
        yield from {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}.items()
        yield f"{stem}.alpha", np.array(2.0, np.float32)


def diffusers_xl(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA for SDXL as diffusers writes it."""
    ends = "_lora.up.weight", "_lora.down.weight"
    return diffusers(draw, *ends, processor=True, attention=XL_ATTENTION, towers=XL_TEXT)


def lightning(draw: Draw) -> Iterator[tuple[str, np.ndarray]]:
    """LoRA of the UNet alone, as those that make SDXL need few steps: diffusers' names in kohya's style."""
    for name, _, shape in XL_UNET:
        stem = "lora_unet_" + name.replace(".", "_")
        up, down = low_rank(draw, shape)
        yield from {f"{stem}.lora_up.weight": up, f"{stem}.lora_down.weight": down}.items()
        yield f"{stem}.alpha", np.array(4.0, np.float32)


LAYOUTS: dict[str, Callable[[Draw], Iterator[tuple[str, np.ndarray]]]] = {
    "kohya": lambda draw: kohya(draw, 0),
    "kohya-ldm": lambda draw: kohya(draw, 1),
    "tucker": tucker,
    "dora-out": lambda draw: dora(draw, 0),
    "dora-in": lambda draw: dora(draw, 1),
    "diffusers": lambda draw: diffusers(draw, "_lora.up.weight", "_lora.down.weight", processor=True),
    "diffusers-dot": lambda draw: diffusers(draw, ".lora.up.weight", ".lora.down.weight"),
    "peft": lambda draw: diffusers(draw, ".lora_B.weight", ".lora_A.weight"),
    "loha": loha,
    "lokr": lokr,
    "glora": lambda draw: glora(draw, older=False),
    "glora-older": lambda draw: glora(draw, older=True),
    "oft": oft,
    "difference": difference,
    "kohya-sdxl": kohya_xl,
    "diffusers-sdxl": diffusers_xl,
    "lightning": lightning,
}

EMBEDDINGS: dict[str, dict[str, Shape]] = {
    "inversion": {"emb_params": (3, 768)},
    "inversion-sdxl": {"clip_l": (2, 768), "clip_g": (2, 1280)},
}
"""Textual inversions: the vectors of each text tower."""


def make_loras(folder: Path) -> None:
    """Write every layout to ``loras/parity-LAYOUT.safetensors``, and ``embeddings`` beside that folder."""
    for name in ("loras", "embeddings"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for layout, tensors in LAYOUTS.items():
        name = f"loras/parity-{layout}.safetensors"
        save_file(dict(tensors(drawer(name))), folder / name)
    for kind, shapes in EMBEDDINGS.items():
        name = f"embeddings/parity-{kind}.safetensors"
        draw = drawer(name)
        save_file({key: draw(*shape, spread=0.5) for key, shape in shapes.items()}, folder / name)


if __name__ == "__main__":
    make_loras(Path(sys.argv[1]))
