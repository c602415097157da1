import os

from prometheus_client.parser import text_string_to_metric_families

from bridge.jobs.metrics import Metrics, resident_bytes


def samples(metrics, **figures):
    families = text_string_to_metric_families(metrics.text(figures).decode())
    return {
        (
            sample.name.removeprefix("framebridge_"),
            *(value for _, value in sorted(sample.labels.items())),
        ): sample.value
        for family in families
        for sample in family.samples
        if "_bucket" not in sample.name and "_created" not in sample.name
    }


def test_jobs_are_counted_by_state_and_their_seconds_by_phase():
    metrics = Metrics()
    metrics.job_ended("done", {"queue": 0.5, "sample": 2.0, "run": 3.0, "SomeNode": 1.0})
    metrics.job_ended("failed", {"queue": 0.25})
    metrics.frame_ended("done", 7)
    found = samples(metrics)
    assert found["jobs_total", "job", "done"] == 1
    assert found["jobs_total", "job", "failed"] == 1
    assert found["jobs_total", "job", "cancelled"] == 0
    assert found["jobs_total", "frame", "done"] == 1
    assert found["frames_dropped_total",] == 7
    assert (found["job_seconds_sum", "queue"], found["job_seconds_count", "queue"]) == (0.75, 2)
    assert found["job_seconds_sum", "sample"] == 2.0
    assert not {name for name in found if "SomeNode" in name or "run" in name}


def test_what_is_the_case_is_told_as_it_was_measured():
    metrics = Metrics()
    metrics.step_took(0.2)
    metrics.run_again()
    metrics.refused()
    found = samples(metrics, queue_depth=3, vram_bytes=2.0**33, odd=1)
    assert (found["queue_depth",], found["vram_bytes",], found["ws_clients",]) == (3, 2.0**33, 0)
    assert (found["step_seconds_count",], found["redeliveries_total",]) == (1, 1)
    assert found["auth_failures_total",] == 1
    assert ("odd",) not in found


def test_memory_is_that_of_all_processes_that_live():
    one = resident_bytes(os.getpid())
    assert one > 2**20
    assert resident_bytes(os.getpid(), 0, 2**22 + 1) >= one * 0.9
