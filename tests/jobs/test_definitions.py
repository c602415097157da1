import json

import fake_nodes
import pytest

from bridge import __version__
from bridge.jobs.definitions import load_definitions, read_definitions, save_definitions

DEFINITIONS = fake_nodes.registry().definitions
DATA = json.loads(json.dumps({name: definition.to_json() for name, definition in DEFINITIONS.items()}))


def test_what_was_saved_is_loaded(tmp_path):
    file = tmp_path / "deep" / "definitions.json"
    save_definitions(file, DATA)
    assert load_definitions(file) == DEFINITIONS == read_definitions(DATA)
    assert [path.name for path in file.parent.iterdir()] == ["definitions.json"]


def test_there_may_be_no_file(tmp_path):
    assert load_definitions(None) is None
    assert load_definitions(tmp_path / "none.json") is None


def test_definitions_of_another_version_are_not_used(tmp_path):
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps({"version": "0.0.0-other", "definitions": DATA}))
    assert load_definitions(file) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        json.dumps({"version": __version__}),
        json.dumps({"version": __version__, "definitions": {"Add": {}}}),
        json.dumps({"version": __version__, "definitions": {"Add": 5}}),
        json.dumps({"version": __version__, "definitions": []}),
        "\udcff",
    ],
)
def test_a_damaged_file_is_passed_over_and_said_so(tmp_path, caplog, content):
    file = tmp_path / "definitions.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    assert load_definitions(file) is None
    assert "holds no node definitions" in caplog.text


def test_a_file_that_cannot_be_written_is_no_tragedy(tmp_path, caplog):
    file = tmp_path / "definitions.json"
    file.mkdir()
    save_definitions(file, DATA)
    assert "cannot be kept" in caplog.text
    assert list(tmp_path.iterdir()) == [file]
