"""The daemon's side of computing: a queue, live streams, and a supervised worker. No torch, no HTTP."""

from bridge.jobs.service import JobService
from bridge.jobs.supervisor import WorkerSettings

__all__ = ["JobService", "WorkerSettings"]
