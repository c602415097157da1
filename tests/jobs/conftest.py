import os
import sys
from pathlib import Path

import psutil
import pytest

FAKE_NODES = Path(__file__).parents[1] / "engine"
ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(FAKE_NODES)]

from fake_client import Client  # noqa: E402
from job_stores import Stores  # noqa: E402

from bridge.errors import BridgeError  # noqa: E402
from bridge.jobs import IN_MEMORY, JobService, WorkerSettings  # noqa: E402


@pytest.fixture(autouse=True)
def nodes_for_workers(monkeypatch):
    """Let worker processes find ``bridge`` and ``fake_nodes``, and restart them without much ado."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(FAKE_NODES)]))
    monkeypatch.setattr("bridge.jobs.supervisor.FIRST_PAUSE_S", 0.01)


def no_presets(name, values):
    raise BridgeError(f'there is no preset "{name}"', code="unknown_preset")


@pytest.fixture
async def service_of():
    """Make services with real workers; all are closed at the end."""
    services = []

    async def make(
        bootstrap="fake_nodes:load", definitions_file=None, presets=no_presets, store=IN_MEMORY, **settings
    ):
        worker = WorkerSettings(settings.pop("settings", {}), bootstrap, **settings)
        service = JobService(
            worker, definitions_file, lambda folder: [], presets, lambda template, seed: template, store
        )
        services.append(service)
        await service.start()
        return service

    yield make
    for service in services:
        await service.close()


@pytest.fixture
async def service(service_of):
    return await service_of()


@pytest.fixture
def client(service):
    return Client(service, "session")


@pytest.fixture
def stores(tmp_path):
    stores = Stores(tmp_path / "jobs")
    yield stores
    stores.close()


@pytest.fixture(scope="module", autouse=True)
def no_worker_is_left():
    """After the tests of a module, no worker that they started is alive."""
    before = _workers()
    yield
    assert not [worker for worker in _workers() if worker not in before]


def _workers():
    return [child for child in psutil.Process().children() if "bridge.engine" in child.cmdline()]
