import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))  # so that tests find ``fake_nodes``

import fake_nodes

from bridge.engine import Cache, Folders, Job, execute
from bridge.graph import Registry, parse_workflow, validate
from bridge.packs import load_packs
from bridge.packs.installing import ROOTS


@pytest.fixture(scope="package")
def temp(tmp_path_factory):
    return tmp_path_factory.mktemp("temp")


@pytest.fixture(scope="package", autouse=True)
def modules_of_packs():
    """Take away what packs import once all tests here are done."""
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ROOTS]:
        del sys.modules[name]


@pytest.fixture(scope="package")
def packs(temp):
    """All packs of the folder."""
    folder = str(Path(__file__).parent / "folder")
    homes = {name: str(temp / name) for name in ("input", "output", "temp")}
    settings = {"custom_nodes": [folder], **homes, "models": [str(temp / "models")]}
    return load_packs(settings, fake_nodes.registry())


@pytest.fixture(scope="package")
def registry(packs):
    return Registry([*fake_nodes.registry().values(), *packs.functions])


@pytest.fixture
def messages():
    return []


@pytest.fixture
def job(messages, temp):
    folders = Folders(temp, temp, temp, temp)
    return Job("job", folders, emit=messages.append, workflow={"1": {}}, extra={"workflow": 5})


@pytest.fixture
def cache():
    return Cache(2**20)


@pytest.fixture
def workflow():
    """Make a workflow of nodes given as ``{"1": ("PackTotal", {"first": ["2", 0]})}``."""
    return lambda nodes: parse_workflow(
        {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}
    )


@pytest.fixture
def run(registry, cache, job, workflow):
    """Validate nodes, and run their outputs."""

    async def run_nodes(nodes):
        found = validate(workflow(nodes), registry.definitions, lambda folder: [])
        found.raise_if_nothing_runs()
        return await execute(found.workflow, found.outputs, registry, cache, job)

    return run_nodes


@pytest.fixture
def value(run):
    """Run nodes and return what the one called ``1`` gives at its first output."""

    async def run_nodes(nodes):
        shown = {**nodes, "show": ("Show", {"value": ["1", 0]})}
        return (await run(shown)).shown["show"]["values"]

    return run_nodes
