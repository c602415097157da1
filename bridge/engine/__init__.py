"""The engine: runs a workflow node by node in the worker; knows jobs, turns, cache and progress."""

from bridge.engine.cache import Cache, Entry, Statistics, size_of
from bridge.engine.call import ExecutionBlocker, Expansion
from bridge.engine.executor import BLOCKED, Outcome, execute
from bridge.engine.imports import importing
from bridge.engine.job import Folders, Job, current_job, current_node, current_place, running
from bridge.engine.judging import JUDGE_S, REFUSES_INPUTS, VALIDATOR_TIMEOUT
from bridge.engine.kept import GIVEN, KEPT
from bridge.engine.library import PACK_GROUP, NodeLibrary
from bridge.engine.log import SESSION_CHARACTERS, IdsFilter, JsonFormatter, log_ids, record_of
from bridge.engine.messages import (
    PROGRESS_TEXT,
    TO_DAEMON,
    TO_WORKER,
    Cached,
    CancelRun,
    Configure,
    Executed,
    Executing,
    Freed,
    FreeMemory,
    Judge,
    Judged,
    Measure,
    Measured,
    NodeFailed,
    PackEvent,
    Ready,
    Run,
    Stop,
    Warm,
    WarmUp,
    WorkerFailed,
)
from bridge.engine.outbox import Outbox
from bridge.engine.phases import PHASES
from bridge.engine.pipe import (
    ByteSink,
    ByteSource,
    MessageReader,
    enlarge_pipe,
    framed,
    read_message,
    write_pieces,
)
from bridge.engine.plan import DynamicPrompt
from bridge.engine.turns import Turns

__all__ = [
    "BLOCKED",
    "GIVEN",
    "JUDGE_S",
    "KEPT",
    "PACK_GROUP",
    "PHASES",
    "PROGRESS_TEXT",
    "REFUSES_INPUTS",
    "SESSION_CHARACTERS",
    "TO_DAEMON",
    "TO_WORKER",
    "VALIDATOR_TIMEOUT",
    "ByteSink",
    "ByteSource",
    "Cache",
    "Cached",
    "CancelRun",
    "Configure",
    "DynamicPrompt",
    "Entry",
    "Executed",
    "Executing",
    "ExecutionBlocker",
    "Expansion",
    "Folders",
    "FreeMemory",
    "Freed",
    "IdsFilter",
    "Job",
    "JsonFormatter",
    "Judge",
    "Judged",
    "Measure",
    "Measured",
    "MessageReader",
    "NodeFailed",
    "NodeLibrary",
    "Outbox",
    "Outcome",
    "PackEvent",
    "Ready",
    "Run",
    "Statistics",
    "Stop",
    "Turns",
    "Warm",
    "WarmUp",
    "WorkerFailed",
    "current_job",
    "current_node",
    "current_place",
    "enlarge_pipe",
    "execute",
    "framed",
    "importing",
    "log_ids",
    "read_message",
    "record_of",
    "running",
    "size_of",
    "write_pieces",
]
