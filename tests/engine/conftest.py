import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # so that tests and workers find ``fake_nodes``

import fake_nodes

from bridge.engine import Cache, Folders, Job, execute
from bridge.graph import parse_workflow

FOLDERS = Folders(Path("in"), Path("out"), Path("temp"), Path("frames"))


@pytest.fixture(autouse=True)
def fresh_nodes():
    """Forget what fake nodes remember."""
    for memory in (fake_nodes.CALLS, fake_nodes.EVENTS, fake_nodes.GATES, fake_nodes.FREED, fake_nodes.SEEN):
        memory.clear()


@pytest.fixture(scope="session")
def registry():
    return fake_nodes.registry()


@pytest.fixture
def cache():
    return Cache(64 * 2**20)


@pytest.fixture
def messages():
    """What the job under test said."""
    return []


@pytest.fixture
def job(messages):
    return Job("job", FOLDERS, emit=messages.append)


@pytest.fixture
def run(registry, cache, job):
    """Run nodes given as ``{"1": ("Add", {"a": ["2", 0]})}``; by default all output nodes are wanted."""

    async def run_nodes(nodes, *outputs, job=job, cache=cache):
        workflow = workflow_of(nodes)
        wanted = outputs or [
            key for key, node in workflow.nodes.items() if registry[node.class_type].definition.is_output
        ]
        return await execute(workflow, wanted, registry, cache, job)

    return run_nodes


def workflow_of(nodes):
    return parse_workflow(
        {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
    )


@pytest.fixture(name="workflow_of")
def workflow_of_fixture():
    return workflow_of
