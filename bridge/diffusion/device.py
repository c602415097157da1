"""Where networks run and how precisely, and what a device says when its memory is full."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bridge.errors import InputError, OutOfMemory

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
"""Names of the settings → what they mean to torch."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, and the precision of the networks on it.

    Args:
        device: Where networks run.
        dtype: Of networks that run there; as chosen for the device, of UNet, its ControlNets and CLIP.
        vae_dtype: Of the autoencoder, whose activations leave float16's range in Stable Diffusion 1.x.
        transformer_dtype: Of the transformers of SD3, Flux and PixArt, whose activations come near the end of
            float16's range, or leave it; and of all that takes part in their steps.
    """

    device: torch.device
    dtype: torch.dtype
    vae_dtype: torch.dtype
    transformer_dtype: torch.dtype

    @property
    def memory_format(self) -> torch.memory_format:
        """Layout of pictures and convolution weights; channels last is faster on CPU and CUDA."""
        return torch.contiguous_format if self.device.type == "mps" else torch.channels_last

    @property
    def keeps_eight_bits(self) -> bool:
        """Whether weights can rest in eight bits there; torch has no such format for MPS."""
        return self.device.type != "mps"

    def bring(self, pictures: Tensor) -> Tensor:
        """Return pictures (B, C, H, W) as networks there take them."""
        return pictures.to(self.device, self.dtype, memory_format=self.memory_format)

    def unchanged(self) -> "Placement":
        """The same."""
        return self

    def for_vae(self) -> "Placement":
        """The same for an autoencoder."""
        return replace(self, dtype=self.vae_dtype)

    def for_transformer(self) -> "Placement":
        """The same for a denoiser that is a transformer, and for what speaks in it."""
        return replace(self, dtype=self.transformer_dtype)

    def for_t5(self) -> "Placement":
        """The same for T5's encoder, which has no use for float16 at all."""
        return self.in_float32() if self.transformer_dtype == torch.float16 else self.for_transformer()

    def for_pictures(self) -> "Placement":
        """The same for networks that go from picture to picture; bfloat16 is too coarse for 256 shades."""
        return self if self.dtype == torch.float16 else self.in_float32()

    def in_float32(self) -> "Placement":
        """The same in full precision."""
        return Placement.uniform(self.device, torch.float32)

    def on_cpu(self) -> "Placement":
        """The CPU, in full precision."""
        return Placement.uniform(torch.device("cpu"), torch.float32)

    @classmethod
    def uniform(cls, device: torch.device, dtype: torch.dtype) -> "Placement":
        """One precision for all networks."""
        return cls(device, dtype, dtype, dtype)


Placing = Callable[[Placement], Placement]
"""Where networks run → where one of them runs, and how precisely."""


def choose_placement(device: str = "auto", dtype: str = "auto") -> Placement:
    """Choose the best device here and the precision it is good at.

    CUDA runs UNets in float16, autoencoders and transformers in bfloat16, where the chip has these (bfloat16
    from Ampere on: older ones imitate it slowly); MPS autoencoders in float32, transformers in bfloat16 from
    macOS 14 on, the rest in float16; the CPU all in float32.

    Args:
        device: ``auto``, ``cpu``, ``mps``, ``cuda`` or ``cuda:N``.
        dtype: ``auto`` or a key of ``DTYPES``, for every network.

    Raises:
        InputError: If the device is not here, or the precision is unknown.
    """
    chosen = torch.device(_available(device))
    if dtype != "auto":
        if dtype not in DTYPES:
            raise InputError(f'unknown dtype "{dtype}"', hint=f"One of: auto, {', '.join(DTYPES)}.")
        return Placement.uniform(chosen, DTYPES[dtype])
    if chosen.type == "cuda":
        capability = torch.cuda.get_device_capability(chosen)
        if capability >= (8, 0):
            return Placement(chosen, torch.float16, torch.bfloat16, torch.bfloat16)
        half = torch.float16 if capability >= (7, 0) else torch.float32
        return Placement(chosen, half, torch.float32, half)
    if chosen.type == "mps":
        wide = torch.bfloat16 if torch.backends.mps.is_macos_or_newer(14, 0) else torch.float16
        return Placement(chosen, torch.float16, torch.float32, wide)
    return Placement.uniform(chosen, torch.float32)


def set_up_torch(placement: Placement, threads: int | None) -> None:
    """Set what torch holds for the whole process: threads, no autograd, the same result every time.

    Args:
        placement: Full float32 is asked of CUDA where it is the chosen precision.
        threads: For the CPU; ``None`` leaves torch's choice.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = placement.dtype != torch.float32


@contextmanager
def memory_errors(what: str) -> Iterator[None]:
    """Turn the ways in which torch reports full memory into one.

    Args:
        what: What was going on, for the message: ``decoding 1024×1024 pixels``.

    Raises:
        OutOfMemory: If the body ran out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"not enough memory while {what}{_shortage(str(error))}",
            hint="Use a smaller picture or batch, or free memory: close other programs, or let go of models.",
        ) from error


def _shortage(text: str) -> str:
    """Say how much was missing, where torch says it.

    CUDA: "Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8.00 GiB of which 1.20 GiB is free."
    CPU: "you tried to allocate 4000000000 bytes."
    """
    if wanted := re.search(r"[Tt]ried to allocate ([\d.]+) (bytes|[KMGT]iB)", text):
        amount = wanted[1].rstrip(".")
        if wanted[2] == "bytes":
            amount, unit = f"{int(amount) / 2**30:.2f}", "GiB"
        else:
            unit = wanted[2]
        free = re.search(r"of which ([\d.]+ [KMGT]iB) is free", text)
        return f": {amount} {unit} more were needed" + (f", {free[1]} were free" if free else "")
    return ""


def _available(device: str) -> str:
    kind = device.partition(":")[0]
    if kind == "auto":
        if torch.cuda.is_available():
            return "cuda:0"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "cpu":
        return "cpu"
    if kind == "mps" and torch.backends.mps.is_available():
        return "mps"
    if kind == "cuda" and torch.cuda.is_available():
        number = device.partition(":")[2] or "0"
        if number.isdecimal() and int(number) < torch.cuda.device_count():
            return f"cuda:{int(number)}"
    raise InputError(f'device "{device}" is not here', code="bad_device", hint="Use auto or cpu.")


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in text for sign in ("can't allocate memory", "out of memory", "not enough memory")
    )
