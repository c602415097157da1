"""The guide to writing a node is right: its modules load, its tests pass, its nodes are what it says."""

import importlib
import inspect
import re
import sys
import types
from pathlib import Path

import pytest

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
    assert GUIDE.read_text(encoding="utf-8").count("```python") == len(BLOCKS) == 5


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


def test_signatures_of_the_guide_are_schemas(modules):
    posterize = modules["bridge.nodes.posterize"].image_posterize.node.definition
    assert [(entry.name, entry.type) for entry in posterize.inputs] == [("image", "IMAGE"), ("levels", "INT")]
    assert posterize.description == "Reduce every channel to a few even levels."
    dissolve = modules["bridge.nodes.dissolve"].image_dissolve.node.definition
    assert [output.type for output in dissolve.outputs] == ["IMAGE"]
