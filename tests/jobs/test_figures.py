import asyncio

import pytest

from bridge.engine import Measure, Measured
from bridge.jobs import figures as figures_module
from bridge.jobs.figures import WorkerFigures
from bridge.protocol import Progress


class Bench:
    """Figures of a worker that is a list."""

    def __init__(self, is_ready=True):
        self.sent = []
        self.figures = WorkerFigures(self.sent.append, lambda: is_ready)

    async def asked(self, times=1):
        tasks = [asyncio.create_task(self.figures.read()) for _ in range(times)]
        await asyncio.sleep(0)
        return tasks


async def test_all_who_ask_meanwhile_get_one_answer():
    bench = Bench()
    tasks = await bench.asked(3)
    assert bench.sent == [Measure()]
    bench.figures.take(Measured({"vram_bytes": 5.0}))
    assert await asyncio.gather(*tasks) == [{"vram_bytes": 5.0}] * 3
    await bench.asked()
    assert bench.sent == [Measure(), Measure()]
    bench.figures.lose()


@pytest.mark.parametrize("ending", ["lost", "late"])
async def test_a_worker_that_cannot_tell_has_no_figures(ending, monkeypatch):
    monkeypatch.setattr(figures_module, "ANSWER_S", 0.01)
    bench = Bench()
    (task,) = await bench.asked()
    if ending == "lost":
        bench.figures.lose()
    assert await task == {}
    bench.figures.take(Measured({"vram_bytes": 5.0}))


async def test_nobody_is_asked_while_there_is_no_worker():
    bench = Bench(is_ready=False)
    assert await bench.figures.read() == {}
    assert bench.sent == []


async def test_a_real_worker_tells_while_it_computes(service, client):
    job = await client.submit(n1=("Hang", {"seconds": 0.5}), n2=("Show", {"value": ["1", 0]}))
    await client.until(Progress)
    figures = await service.measure()
    assert figures["model_cache_hits"] == 0
    assert figures["cache_bytes"] >= 0
    assert (await client.finished(job)).state == "done"
