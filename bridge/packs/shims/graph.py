"""``comfy_execution.graph``: what packs catch and return of the executor."""

from bridge.engine import ExecutionBlocker
from bridge.packs.shims.dynamic_prompt import NodeNotFoundError
from bridge.packs.shims.dynamic_prompt import PackPrompt as DynamicPrompt
from bridge.packs.shims.graph_utils import is_link

__all__ = ["DynamicPrompt", "ExecutionBlocker", "NodeNotFoundError", "is_link"]
