import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.prompts import slug


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a Red car, by night", "a-red-car-by-night"),
        ("(red:1.2) car, <lora:film:0.8>", "red-car-lora-film"),
        ("Größe 猫", "größe-猫"),
        ('<>:"/\\|?*', "prompt"),
        ("word " * 40, "word-word-word-word-word-word-word-word-word"),
        ("x" * 300, "x" * 48),
    ],
)
def test_a_name_says_which_prompt(text: str, name: str) -> None:
    assert slug(text) == name


@given(st.text(max_size=200))
def test_every_system_takes_the_name(text: str) -> None:
    name = slug(text)
    assert name
    assert len(name.encode()) <= 120
    assert not re.search(r'[<>:"/\\|?*\s\x00-\x1f]|^-|-$', name)
