"""The guide to writing a node is right: its modules load, its tests pass, its nodes are what it says."""

import importlib
import inspect
import re
import sys
import types
from pathlib import Path

import pytest

from bridge.engine import Cache, Folders, Job, execute
from bridge.graph import Registry, parse_workflow
from bridge.nodes import load

GUIDE = Path(__file__).parents[2] / "docs" / "writing-a-node.md"
BLOCKS = re.findall(r"```python\n# (\S+)\.py\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def modules(monkeypatch):
    """Load every code block as the module it says it is, exported by its package as the guide asks."""
    loaded = {}
    for path, code in BLOCKS:
        name = path.replace("/", ".")
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(code, f"{path}.py", "exec"), vars(module))
        if name.startswith("bridge.imaging."):
            package, _, exported = name.rpartition(".")
            monkeypatch.setattr(
                importlib.import_module(package), exported, vars(module)[exported], raising=False
            )
        loaded[name] = module
    return loaded


def test_every_block_is_a_module_with_a_path():
    assert GUIDE.read_text(encoding="utf-8").count("```python") == len(BLOCKS) == 6


async def test_tests_of_the_guide_pass(modules):
    tests = [
        value
        for name, module in modules.items()
        for key, value in vars(module).items()
        if name.startswith("tests.") and key.startswith("test_")
    ]
    assert len(tests) == 3
    for test in tests:
        outcome = test()
        if inspect.isawaitable(outcome):
            await outcome


async def test_the_expansion_of_the_guide_runs_and_its_blocker_blocks(modules, tmp_path):
    enhance = modules["bridge.nodes.enhance"].image_enhance.node
    registry = Registry([enhance, *load({"device": "cpu"}).registry.values()])
    shown = []
    for side in (32, 8):
        nodes = {
            "1": {
                "class_type": "EmptyImage",
                "inputs": {"width": side, "height": 32, "batch_size": 1, "color": 9},
            },
            "2": {"class_type": "ImageEnhance", "inputs": {"image": ["1", 0]}},
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
        }
        job = Job("job", Folders(*[tmp_path] * 4))
        outcome = await execute(parse_workflow(nodes), ["3"], registry, Cache(0), job)
        shown.append((len(outcome.shown), [problem.message for problem in outcome.problems]))
    assert shown == [
        (1, []),
        (0, ["PreviewImage did not run: the picture is smaller than 16 pixels"]),
    ]


def test_signatures_of_the_guide_are_schemas(modules):
    posterize = modules["bridge.nodes.posterize"].image_posterize.node.definition
    assert [(entry.name, entry.type) for entry in posterize.inputs] == [("image", "IMAGE"), ("levels", "INT")]
    assert posterize.description == "Reduce every channel to a few even levels."
    dissolve = modules["bridge.nodes.dissolve"].image_dissolve.node.definition
    assert [output.type for output in dissolve.outputs] == ["IMAGE"]
