"""The engine: runs a workflow node by node in the worker; knows jobs, turns, cache and progress."""

from bridge.engine.cache import Cache, Entry, Statistics, size_of
from bridge.engine.call import ExecutionBlocker, Expansion
from bridge.engine.executor import Outcome, execute
from bridge.engine.job import Folders, Job, current_job, current_node, running
from bridge.engine.library import NodeLibrary
from bridge.engine.log import SESSION_CHARACTERS, IdsFilter, JsonFormatter, log_ids, record_of
from bridge.engine.outbox import Outbox
from bridge.engine.pipe import (
    TO_DAEMON,
    TO_WORKER,
    ByteSink,
    ByteSource,
    CancelRun,
    Configure,
    Freed,
    FreeMemory,
    Ready,
    Run,
    Stop,
    WorkerFailed,
    enlarge_pipe,
    read_message,
)
from bridge.engine.plan import DynamicPrompt
from bridge.engine.turns import Turns

__all__ = [
    "SESSION_CHARACTERS",
    "TO_DAEMON",
    "TO_WORKER",
    "ByteSink",
    "ByteSource",
    "Cache",
    "CancelRun",
    "Configure",
    "DynamicPrompt",
    "Entry",
    "ExecutionBlocker",
    "Expansion",
    "Folders",
    "FreeMemory",
    "Freed",
    "IdsFilter",
    "Job",
    "JsonFormatter",
    "NodeFailed",
    "NodeLibrary",
    "Outbox",
    "Outcome",
    "Ready",
    "Run",
    "Statistics",
    "Stop",
    "Turns",
    "WorkerFailed",
    "current_job",
    "current_node",
    "enlarge_pipe",
    "execute",
    "log_ids",
    "read_message",
    "running",
    "size_of",
]
