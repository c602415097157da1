"""The daemon's side of computing: a queue, live streams, and a supervised worker. No torch, no HTTP."""

from bridge.jobs.history import History
from bridge.jobs.metrics import Metrics, resident_bytes
from bridge.jobs.notes import RUN_NOTES
from bridge.jobs.record import LIVE_STATES, JobRecord
from bridge.jobs.service import JobService
from bridge.jobs.store import DATABASE, IN_MEMORY, StoreSettings
from bridge.jobs.streams import LiveStream
from bridge.jobs.supervisor import WorkerSettings

__all__ = [
    "DATABASE",
    "IN_MEMORY",
    "LIVE_STATES",
    "RUN_NOTES",
    "History",
    "JobRecord",
    "JobService",
    "LiveStream",
    "Metrics",
    "StoreSettings",
    "WorkerSettings",
    "resident_bytes",
]
