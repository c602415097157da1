"""Which job and node a pack's code runs for.

Code of a node knows them by its context. A thread that it begins has none of that: such a thread is taken to
work for the node of a pack that was called last, as long as that one's job is there.
"""

import weakref

from bridge.engine import Job, current_job, current_node, current_place

_called: tuple[weakref.ref[Job], str] | None = None


def note_call() -> None:
    """Note that the code of the running node is called now."""
    global _called
    _called = weakref.ref(current_job()), current_node()


def whose() -> tuple[Job, str] | None:
    """Return the job, and the id of the node as people see it; nothing outside of a job."""
    try:
        return current_job(), current_node()
    except LookupError:
        if _called is None:
            return None
        job, node_id = _called[0](), _called[1]
        return (job, node_id) if job else None


def own_id() -> str:
    """Return the running node's own id, which is not its display's where it came from an expansion."""
    return current_place().rstrip(".").rpartition(".")[0]
