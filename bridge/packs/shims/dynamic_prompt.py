"""What ComfyUI passes as ``DYNPROMPT``: the run's nodes, expansions included, as API JSON."""

from typing import Any

from bridge.engine import DynamicPrompt, current_job
from bridge.graph import Link


class NodeNotFoundError(Exception):
    """There is no such node."""


class PackPrompt:
    """The nodes of a run, in ComfyUI's words."""

    def __init__(self, prompt: DynamicPrompt) -> None:
        self._prompt = prompt

    def has_node(self, node_id: str) -> bool:
        """Whether there is such a node."""
        return node_id in set(self._prompt)

    def get_node(self, node_id: str) -> dict[str, Any]:
        """Return a node.

        Raises:
            NodeNotFoundError: If there is none.
        """
        try:
            node = self._prompt[node_id]
        except KeyError:
            raise NodeNotFoundError(f"there is no node {node_id}") from None
        inputs = {name: _plain(value) for name, value in node.inputs.items()}
        return {"class_type": node.class_type, "inputs": inputs}

    def all_node_ids(self) -> set[str]:
        """Return the ids of all nodes."""
        return set(self._prompt)

    def get_parent_node_id(self, node_id: str) -> str | None:
        """Return the node that expanded to a node."""
        return self._prompt.parent(node_id)

    def get_real_node_id(self, node_id: str) -> str:
        """Return the node of the workflow that a node comes from."""
        return self._prompt.display(node_id)

    get_display_node_id = get_real_node_id

    def get_original_prompt(self) -> dict[str, Any]:
        """Return the workflow as it was submitted."""
        return dict(current_job().workflow)


def _plain(value: Any) -> Any:
    return [value.node_id, value.slot] if isinstance(value, Link) else value
