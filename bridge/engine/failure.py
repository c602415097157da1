"""From whatever a node raised to an error with a node, a code and a hint.

This is a boundary: the log gets the traceback, users get one sentence.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from bridge.engine.log import log_ids
from bridge.errors import BridgeError, ExecutionError, OutOfMemory, reason_of

log = logging.getLogger(__name__)

MAX_OWN_CHARACTERS = 4000
"""Of a message of ours: what is in it may come from a file."""

_MEMORY_HINT = "Choose a smaller size or batch, close other programs that use the device, or free its memory."
_MEMORY_TEXTS = ("out of memory", "can't allocate memory", "not enough memory", "insufficient memory")


@contextmanager
def blamed_on(node_id: str, class_type: str) -> Iterator[None]:
    """Let only errors out that tell a user which node failed, and why.

    Args:
        node_id: The node of the workflow; filled in where an error of ours names none.
        class_type: Its class.

    Raises:
        BridgeError: For whatever the node raised; the cause is chained.
        asyncio.CancelledError: If somebody cancelled the running task.
    """
    try:
        yield
    except BridgeError as error:
        error.node_id = error.node_id or node_id
        error.message = error.message[:MAX_OWN_CHARACTERS]
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        assert task is not None
        if task.cancelling():
            raise
        raise _failure(error, node_id, class_type) from error  # something inside the node was cancelled
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # a foreign node may even call sys.exit()
        raise _failure(error, node_id, class_type) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out; those of torch and OpenCV by their words."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    is_from_library = isinstance(error, RuntimeError) or type(error).__module__ == "cv2"
    return is_from_library and any(words in text for words in _MEMORY_TEXTS)


def _failure(error: BaseException, node_id: str, class_type: str) -> ExecutionError:
    with log_ids(node=node_id):
        log.error("node %s (%s) failed", node_id, class_type, exc_info=error)
    if is_out_of_memory(error):
        return OutOfMemory(f"{class_type} ran out of memory", hint=_MEMORY_HINT, node_id=node_id)
    hint = "The daemon's log has the details."
    return ExecutionError(f"{class_type} failed: {reason_of(error)}", hint=hint, node_id=node_id)
