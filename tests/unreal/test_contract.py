"""What was written down of the engine's API, for when its stub cannot be had: true, enough, and no text."""

import json
import re
from pathlib import Path

from .checking import sources
from .cutting import used_names
from .facts import OTHER, Stub, Written
from .staged import SOURCES
from .test_mutations import run


def test_it_says_what_the_stub_says(newest_stub: Stub) -> None:
    written = Written()
    for name in written.names():
        facts, said = written.klass(name), newest_stub.klass(name)
        if facts is None or said is None:
            assert written.function(name) == newest_stub.function(name), name
            continue
        assert (facts.bases, facts.entries) == (said.bases, said.entries), name
        for kind in ("properties", "methods", "editor_properties"):
            assert getattr(facts, kind).items() <= getattr(said, kind).items(), f"{name}: {kind}"


def test_it_has_what_the_plugin_names() -> None:
    used, _ = used_names(sources(SOURCES))
    known = {"uclass", "ufunction", "uproperty", "new_object", "register_slate_post_tick_callback"}
    missing = used - set(Written().names()) - known
    assert not missing, "run: python -m tests.unreal.writing"


def test_it_is_names_and_not_text() -> None:
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', OTHER.read_text(encoding="utf-8"))
    assert not [text for text in strings if len(text.split()) > 4 and "[" not in text]
    assert json.loads(OTHER.read_text(encoding="utf-8"))["engine"] == "5.6.0"


def test_plugin_runs_against_it(tmp_path: Path) -> None:
    run(tmp_path, Written(), None)
