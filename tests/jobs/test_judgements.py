import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from fake_client import Client

from bridge.engine import Judged
from bridge.errors import BridgeError, WorkflowError
from bridge.jobs.judgements import Judgements
from bridge.protocol import Finished, Progress, Submit


@pytest.fixture(autouse=True)
def find_nodes(monkeypatch):
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([here, os.environ["PYTHONPATH"]]))


@pytest.fixture
async def client(service_of):
    return Client(await service_of("judging_nodes:load"), "session")


def picky(value):
    return Submit(
        request="r",
        workflow={
            "1": {"class_type": "Picky", "inputs": {"value": value}},
            "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
            "3": {"class_type": "Show", "inputs": {"value": 1}},
        },
    )


async def test_what_a_node_accepts_runs(client):
    accepted = await client.service.submit("session", picky(3))
    assert accepted.warnings == ()


async def test_what_a_node_refuses_does_not_run_and_the_rest_does(client):
    accepted = await client.service.submit("session", picky(7))
    assert [(each.code, each.node_id, each.is_warning) for each in accepted.warnings] == [
        ("custom_validation_failed", "1", True)
    ]
    with pytest.raises(WorkflowError, match="no sevens"):
        await client.service.submit("session", only(7))


def only(value):
    workflow = {key: node for key, node in picky(value).workflow.items() if key != "3"}
    return Submit(request="r", workflow=workflow)


async def test_a_node_is_asked_while_the_worker_computes(client):
    busy = {
        "1": {"class_type": "Hang", "inputs": {"seconds": 60.0}},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
    }
    job = (await client.service.submit("session", Submit(request="r", workflow=busy))).job
    await client.until(Progress)
    with pytest.raises(WorkflowError, match="no sevens"):
        await client.service.submit("session", only(7))
    assert client.of(Finished, job=job) == []


async def test_whoever_leaves_as_the_worker_dies_keeps_nobody_from_an_answer():
    async def settle():
        pass

    asked = []
    judgements = Judgements(SimpleNamespace(settle=settle), asked.append, lambda: None)
    leaving, staying = (asyncio.create_task(judgements.ask(["any"])) for _ in range(2))
    while len(asked) < 2:
        await asyncio.sleep(0)
    leaving.cancel()
    judgements.lose()  # in the same turn of the loop
    while len(asked) < 3:
        await asyncio.sleep(0)
    judgements.receive(Judged(asked[2].request, ()))
    assert await staying == ()


async def test_a_node_that_hangs_is_refused_in_time(client, monkeypatch):
    monkeypatch.setattr("bridge.jobs.judgements.ANSWER_S", 0.3)
    with pytest.raises(WorkflowError, match="did not say within") as raised:
        await client.service.submit("session", only(8))
    assert raised.value.code == "validator_timeout"


async def test_a_node_that_raises_is_at_fault(client):
    with pytest.raises(WorkflowError, match="SystemExit: I leave") as raised:
        await client.service.submit("session", only(10))
    assert raised.value.code == "exception_during_validation"


async def test_a_node_that_ends_the_worker_is_named_and_the_next_worker_serves(client):
    with pytest.raises(BridgeError, match="Picky") as raised:
        await client.service.submit("session", only(9))
    assert raised.value.code == "worker_crashed"
    assert (await client.service.submit("session", picky(3))).warnings == ()
