"""Which node a pack's code runs for."""

from bridge.engine import current_place


def own_id() -> str:
    """Return the running node's own id, which is not its display's where it came from an expansion."""
    return current_place().rstrip(".").rpartition(".")[0]
