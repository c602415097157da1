"""``comfy.model_management``: devices, memory, and whether somebody wants the run to stop.

What places models is not here: a pack that loads networks of its own places them itself.
"""

from typing import Any

import psutil
import torch

from bridge.diffusion import free, placement
from bridge.errors import Interrupted
from bridge.packs.shims.place import whose

__all__ = [
    "OOM_EXCEPTION",
    "XFORMERS_IS_AVAILABLE",
    "InterruptProcessingException",
    "cpu_mode",
    "directml_enabled",
    "dtype_size",
    "free_memory",
    "get_free_memory",
    "get_torch_device",
    "get_torch_device_name",
    "get_total_memory",
    "intermediate_device",
    "interrupt_current_processing",
    "is_amd",
    "is_device_cpu",
    "is_device_cuda",
    "is_device_mps",
    "is_directml_enabled",
    "is_intel_xpu",
    "is_nvidia",
    "module_size",
    "mps_mode",
    "processing_interrupted",
    "pytorch_attention_enabled",
    "should_use_bf16",
    "should_use_fp16",
    "soft_empty_cache",
    "text_encoder_device",
    "text_encoder_offload_device",
    "throw_exception_if_processing_interrupted",
    "unet_dtype",
    "unet_offload_device",
    "unload_all_models",
    "vae_device",
    "vae_dtype",
    "vae_offload_device",
    "xformers_enabled",
]

OOM_EXCEPTION = torch.OutOfMemoryError
XFORMERS_IS_AVAILABLE = False
directml_enabled = False
CPU = torch.device("cpu")


class InterruptProcessingException(Interrupted):
    """Stops the run, as cancelling does."""

    def __init__(self, message: object = "the job was cancelled") -> None:
        super().__init__(str(message))


def get_torch_device() -> torch.device:
    """Return the device that networks run on."""
    return placement().device


text_encoder_device = vae_device = get_torch_device


def unet_offload_device() -> torch.device:
    """Return where networks rest."""
    return CPU


intermediate_device = text_encoder_offload_device = vae_offload_device = unet_offload_device


def unet_dtype(*_: Any, **__: Any) -> torch.dtype:
    """Return the precision of networks."""
    return placement().dtype


def vae_dtype(*_: Any, **__: Any) -> torch.dtype:
    """Return the precision of autoencoders."""
    return placement().vae_dtype


def should_use_fp16(*_: Any, **__: Any) -> bool:
    """Whether networks run in float16."""
    return placement().dtype == torch.float16


def should_use_bf16(*_: Any, **__: Any) -> bool:
    """Whether networks run in bfloat16."""
    return placement().dtype == torch.bfloat16


def get_torch_device_name(device: Any) -> str:
    """Return the name of a device."""
    return str(device)


def is_device_cpu(device: Any) -> bool:
    """Whether it is the processor."""
    return torch.device(device).type == "cpu"


def is_device_cuda(device: Any) -> bool:
    """Whether it is a GPU of CUDA or ROCm."""
    return torch.device(device).type == "cuda"


def is_device_mps(device: Any) -> bool:
    """Whether it is Apple's GPU."""
    return torch.device(device).type == "mps"


def is_nvidia() -> bool:
    """Whether networks run on a GPU of NVIDIA's."""
    return get_torch_device().type == "cuda" and torch.version.cuda is not None


def is_amd() -> bool:
    """Whether networks run on a GPU of AMD's."""
    return get_torch_device().type == "cuda" and torch.version.hip is not None


def cpu_mode() -> bool:
    """Whether networks run on the processor."""
    return is_device_cpu(get_torch_device())


def mps_mode() -> bool:
    """Whether networks run on Apple's GPU."""
    return is_device_mps(get_torch_device())


def xformers_enabled() -> bool:
    """Whether xFormers computes attention: torch does."""
    return False


is_directml_enabled = is_intel_xpu = xformers_enabled


def pytorch_attention_enabled() -> bool:
    """Whether torch computes attention."""
    return True


def dtype_size(dtype: torch.dtype) -> int:
    """Return the bytes of one number."""
    return dtype.itemsize


def module_size(module: torch.nn.Module) -> int:
    """Return the bytes of a network's weights."""
    return sum(weights.nbytes for weights in module.state_dict().values())


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Return the bytes that are free on a device."""
    device = torch.device(dev or get_torch_device())
    left = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return (left, left) if torch_free_too else left


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """Return the bytes of a device."""
    device = torch.device(dev or get_torch_device())
    total = torch.cuda.mem_get_info(device)[1] if device.type == "cuda" else psutil.virtual_memory().total
    return (total, total) if torch_total_too else total


def soft_empty_cache(force: bool = False) -> None:
    """Give back what torch keeps of the device's memory for later."""
    if get_torch_device().type == "cuda":
        torch.cuda.empty_cache()


def unload_all_models() -> None:
    """Give back the memory of models that nothing runs."""
    free()


def free_memory(*_: Any, **__: Any) -> list[Any]:
    """Give back the memory of models that nothing runs, however little is wanted; return no models."""
    free()
    return []


def interrupt_current_processing(value: bool = True) -> None:
    """Ask the run to stop; once asked, it cannot be taken back."""
    found = whose()
    if value and found:
        found[0].cancel()


def processing_interrupted() -> bool:
    """Whether somebody asked the run to stop."""
    found = whose()
    return found is not None and found[0].is_cancelled


def throw_exception_if_processing_interrupted() -> None:
    """Stop here if somebody asked for it.

    Raises:
        InterruptProcessingException: If so.
    """
    if processing_interrupted():
        raise InterruptProcessingException
