"""Networks whose values leave the range of half precision."""

import logging
from typing import Any

from torch import Tensor

from bridge.diffusion.residency import Network
from bridge.errors import ExecutionError

_log = logging.getLogger(__name__)


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
    if network.placement.dtype.itemsize == 4 or not bool(given.isfinite().all()):
        raise ExecutionError(f"{network.name} gave values that are no numbers", code="nan_output", hint=hint)
    _log.warning("%s gave numbers out of range; it runs in float32 from now on", network.name)
    network.widen()
    return True
