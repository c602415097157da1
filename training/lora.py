"""A LoRA: a style that the model does not know, as low-rank changes of its attention layers."""

from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from training.denoiser import Networks
from training.files import write_whole

RANK = 8
TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")


class LowRank(nn.Module):
    """A linear layer or 1x1 convolution plus a product of two thin ones, which starts at zero.

    Source: Hu et al. 2021.
    """

    def __init__(self, base: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.base = base
        if isinstance(base, nn.Conv2d):
            self.down: nn.Module = nn.Conv2d(base.in_channels, rank, 1, bias=False)
            self.up: nn.Module = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(base.in_features, rank, bias=False)
            self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, hidden: Tensor) -> Tensor:
        """Add the low-rank change to the layer's output."""
        changed: Tensor = self.base(hidden) + self.up(self.down(hidden))
        return changed


def attach(networks: Networks) -> None:
    """Freeze the networks and put trainable low-rank changes beside the UNet's attention layers, in place."""
    networks.requires_grad_(False)
    for parent, name, layer in list(_targets(networks.denoiser)):
        changed = LowRank(layer, RANK)
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            parent[int(name)] = changed
        else:
            setattr(parent, name, changed)


def save_lora(networks: Networks, out: Path) -> None:
    """Write the attached changes under kohya's names (``lora_unet_….lora_down.weight``), fp16."""
    tensors: dict[str, Tensor] = {}
    for key, layer in attached(networks):
        tensors[f"{key}.lora_down.weight"] = layer.down.weight.detach().half().contiguous()
        tensors[f"{key}.lora_up.weight"] = layer.up.weight.detach().half().contiguous()
        tensors[f"{key}.alpha"] = torch.tensor(float(layer.down.weight.shape[0])).half()
    about = {"ss_network_module": "networks.lora", "modelspec.architecture": "sd-1"}
    write_whole(out, save(tensors, about))


def load_lora(networks: Networks, file: Path) -> None:
    """Attach the changes that `save_lora` wrote, in place."""
    tensors = load_file(file)
    attach(networks)
    for key, layer in attached(networks):
        layer.down.weight.data.copy_(tensors[f"{key}.lora_down.weight"])
        layer.up.weight.data.copy_(tensors[f"{key}.lora_up.weight"])


def attached(networks: Networks) -> Iterator[tuple[str, LowRank]]:
    """Yield the attached changes under kohya's names."""
    for path, module in networks.denoiser.named_modules():
        if isinstance(module, LowRank):
            yield "lora_unet_" + path.replace(".", "_"), module


def _targets(root: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear | nn.Conv2d]]:
    for path, module in root.named_modules():
        if "attentions" in path and path.endswith(TARGETS) and isinstance(module, nn.Linear | nn.Conv2d):
            parent, _, name = path.rpartition(".")
            yield root.get_submodule(parent), name, module
