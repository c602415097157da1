import importlib
import logging

import pytest

from bridge.errors import BridgeError
from bridge.graph import Registry

NODE = '''
from bridge.graph import node

@node("{name}", category="test")
def {function}(value: int = 1) -> int:
    """Return it."""
    return value
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that writes modules into a package and imports it."""

    def write(name, **modules):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text(modules.pop("init", ""))
        for module, text in modules.items():
            target = folder.joinpath(*module.split("__")).with_suffix(".py")
            target.parent.mkdir(exist_ok=True)
            (target.parent / "__init__.py").touch()
            target.write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name)

    return write


def test_nodes_of_all_modules_are_collected_by_name(package):
    registry = Registry.of_package(
        package(
            "pack_a",
            init=NODE.format(name="Top", function="top"),
            one=NODE.format(name="One", function="one") + "OTHER = object()\n",
            deep__two=NODE.format(name="Two", function="two"),
        )
    )
    assert list(registry) == ["Top", "Two", "One"]
    assert len(registry) == 3
    assert registry["Two"].call(5) == 5
    assert registry["Two"].definition.module == "pack_a.deep.two"
    assert registry.definitions["One"] is registry["One"].definition
    assert registry.failures == ()


def test_node_that_a_module_only_imports_is_not_collected_twice(package):
    registry = Registry.of_package(
        package("pack_b", one=NODE.format(name="One", function="one"), two="from pack_b.one import one\n")
    )
    assert list(registry) == ["One"]


def test_module_that_fails_is_reported_and_the_others_go_on(package, caplog):
    with caplog.at_level(logging.CRITICAL):
        registry = Registry.of_package(
            package(
                "pack_c",
                broken="import no_such_library\n",
                fine=NODE.format(name="Fine", function="fine"),
                untyped="from bridge.graph import node\n@node('X', category='')\ndef x(a): ...\n",
            )
        )
    assert list(registry) == ["Fine"]
    assert [(failure.module, failure.reason.partition(":")[0]) for failure in registry.failures] == [
        ("pack_c.broken", "ModuleNotFoundError"),
        ("pack_c.untyped", "TypeError"),
    ]


def test_two_nodes_of_one_name_are_refused_with_both_modules(package):
    text = NODE.format(name="Same", function="same")
    with pytest.raises(BridgeError, match=r"in pack_d\.one and pack_d\.two") as caught:
        Registry.of_package(package("pack_d", one=text, two=text))
    assert caught.value.code == "duplicate_node"


def test_empty_registry_knows_no_node():
    assert dict(Registry()) == {}
    with pytest.raises(KeyError):
        Registry()["KSampler"]
