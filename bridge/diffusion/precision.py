"""Networks whose values leave the range of half precision."""

from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.residency import Network
from bridge.engine import current_job
from bridge.errors import ExecutionError

_HALVES = (torch.float16, torch.bfloat16)


def must_repeat(network: Network[Any], given: Tensor, result: Tensor, hint: str) -> bool:
    """Check what a network made of values; where it left its range, it runs in float32 from now on.

    Args:
        network: Of any precision.
        given: What it was given.
        result: What came of it.
        hint: What the user can do where float32 is not enough.

    Returns:
        Whether it is to be asked once more.

    Raises:
        ExecutionError: Code ``nan_output`` if the result holds what is no number for another reason.
    """
    if bool(result.isfinite().all()):
        return False
    is_half = any(tensor.dtype in _HALVES for tensor in network.tensors())
    if not is_half or not bool(given.isfinite().all()):
        raise ExecutionError(f"{network.name} gave values that are no numbers", code="nan_output", hint=hint)
    current_job().warn(
        "widened",
        f"{network.name} left the range of half precision, and runs in float32 from now on",
        "It takes twice the memory so. Another file of the model may stay in range.",
    )
    network.widen()
    return True
