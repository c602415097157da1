"""Texts; what the nodes say is compared with ComfyUI in ``test_reference``."""

import pytest

from bridge.errors import InputError
from bridge.nodes.strings import (
    regex_extract,
    regex_match,
    regex_replace,
    string_concatenate,
    string_replace,
)

ENDLESS = "(a|aa)+$"
TEXT = "a" * 60 + "b"


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "call",
    [
        lambda: regex_match(TEXT, ENDLESS),
        lambda: regex_extract(TEXT, ENDLESS, "All Matches"),
        lambda: regex_replace(TEXT, ENDLESS, "x"),
    ],
)
def test_a_pattern_that_would_search_for_ever_is_stopped(call, monkeypatch):
    monkeypatch.setattr("bridge.diffusion.string_edits.LIMIT_S", 0.2)
    with pytest.raises(InputError, match="still searching") as caught:
        call()
    assert caught.value.code == "bad_pattern"
    assert caught.value.hint


@pytest.mark.parametrize(
    "call",
    [
        lambda: regex_match("a", "(a"),
        lambda: regex_extract("a", "[", "First Match"),
        lambda: regex_replace("a", "a", r"\7"),
        lambda: regex_replace("a", "a", r"\g<name>"),
    ],
)
def test_a_faulty_pattern_is_named(call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.code == "bad_pattern"


@pytest.mark.parametrize(
    "call",
    [
        lambda: string_concatenate("a" * 3_000_000, "b" * 3_000_000),
        lambda: string_replace("a" * 10_000, "", "b" * 10_000),
        lambda: regex_replace("a" * 10_000, "(a*)", r"\1" * 1_000),
    ],
)
def test_texts_do_not_grow_without_bounds(call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.code == "text_too_long"
