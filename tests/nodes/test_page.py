"""docs/nodes.md says what the nodes are."""

from pathlib import Path

from bridge.builtin import absent_nodes
from bridge.cli.reference import nodes_page
from bridge.diffusion import EMBEDDINGS_DIFFER, embedding_stamps
from bridge.nodes import load

PAGE = Path(__file__).parents[2] / "docs" / "nodes.md"


def test_the_page_is_what_the_nodes_say() -> None:
    registry = load({"device": "cpu"}).registry
    assert not registry.failures
    page = nodes_page(registry.definitions, absent_nodes())
    assert PAGE.read_text(encoding="utf-8") == page, (
        "write it anew: framebridge nodes --markdown > docs/nodes.md"
    )


def test_nodes_that_read_embeddings_say_what_becomes_of_missing_ones() -> None:
    registry = load({"device": "cpu"}).registry
    readers = [name for name, function in registry.items() if function.fingerprint is embedding_stamps]
    assert "GLIGENTextBoxApply" in readers
    for name in readers:
        assert EMBEDDINGS_DIFFER in registry.definitions[name].differs, name


def test_nodes_that_are_here_are_not_listed_as_missing() -> None:
    missing = [name for reasons in absent_nodes().values() for names in reasons.values() for name in names]
    assert len(missing) == len(set(missing))
    assert set(missing) & set(load({"device": "cpu"}).registry) == set(), (
        "remove these from absent_nodes.json"
    )
