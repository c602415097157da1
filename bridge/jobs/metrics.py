"""What is counted about jobs, frames and the worker, for Prometheus.

1. Labels come from fixed lists; nothing of a user's (prompt, name of a file, session) is ever one.
2. What happens is counted when it happens; what is the case is looked up when somebody asks.
"""

from collections.abc import Mapping

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bridge.engine import PHASES
from bridge.jobs.record import ENDED_STATES

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)

TIMED = ("queue", *PHASES)
"""Values of the label ``phase``."""

KINDS = ("job", "frame")
"""Values of the label ``kind``."""

GAUGES = {
    "queue_depth": "Jobs that wait or run.",
    "ws_clients": "Clients of the native socket and of ComfyUI's.",
    "worker_up": "Whether the worker is ready.",
    "vram_bytes": "Memory of the device that torch holds.",
    "rss_bytes": "Memory of the daemon and its worker.",
    "model_cache_hits": "Nodes that load models and whose result was in the cache, since the worker started.",
}


class Metrics:
    """The figures of one daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        jobs = self._counter("jobs", "Jobs and frames that have ended.", "state", "kind")
        phases = self._histogram("job_seconds", "What jobs spent their time on.", "phase")
        self._steps = self._histogram("step_seconds", "From one step of a node to its next.")
        self._dropped = self._counter("frames_dropped", "Frames that newer ones replaced.")
        self._again = self._counter("redeliveries", "Runs to do again because the worker died.")
        self._refused = self._counter("auth_failures", "Requests that were not let in.")
        self._gauges = {
            name: Gauge(f"framebridge_{name}", text, registry=self.registry) for name, text in GAUGES.items()
        }
        # Made once: so each is seen to be 0 before it happens, and looking one up takes longer than to count.
        self._ended = {(state, kind): jobs.labels(state, kind) for state in ENDED_STATES for kind in KINDS}
        self._spent = {phase: phases.labels(phase) for phase in TIMED}

    def job_ended(self, state: str, timings: Mapping[str, float]) -> None:
        """Count a job that has had its last word."""
        self._ended[state, "job"].inc()
        for phase, seconds in timings.items():
            if phase in self._spent:
                self._spent[phase].observe(seconds)

    def frame_ended(self, state: str, dropped: int) -> None:
        """Count a frame of a stream, and those that it stands for."""
        self._ended[state, "frame"].inc()
        self._dropped.inc(dropped)

    def step_took(self, seconds: float) -> None:
        """Count a step of a node."""
        self._steps.observe(seconds)

    def run_again(self) -> None:
        """Count a run that the worker died under and that is to begin again."""
        self._again.inc()

    def refused(self) -> None:
        """Count a request that was not let in."""
        self._refused.inc()

    def text(self, figures: Mapping[str, float]) -> bytes:
        """Return everything in Prometheus' text format.

        Args:
            figures: Of ``GAUGES``; others are ignored.
        """
        for name, gauge in self._gauges.items():
            gauge.set(figures.get(name, 0.0))
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"framebridge_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"framebridge_{name}", text, labels, buckets=SECONDS, registry=self.registry)


def resident_bytes(*pids: int) -> int:
    """Return the memory that processes hold; those that are gone hold none."""
    total = 0
    for pid in filter(None, pids):
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
