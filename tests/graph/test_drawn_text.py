"""What the editor makes of texts when a drawing runs."""

import pytest

from bridge.graph.drawn_text import draw_prompt, fill_name


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        (r"a {red|red} cat /* hidden */ here \{x\} // end", "a red cat  here {x} "),
        ("{a|{a|a}} b", "a b"),
        (r"{a\|b}", "a|b"),
        ("{a", "a"),
        ("}a|b", "}a|b"),
        ("a\\", "a\\"),
        ("a // b\nc", "a \nc"),
        ("/*/ a */b", "b"),
        ("/* a // b\nc", "/* a \nc"),
        ("{" * 100 + "}" * 64, "{" * 36),
    ],
)
def test_prompt_is_drawn(text, drawn):
    assert draw_prompt(text) == drawn


def test_each_choice_of_a_prompt_is_drawn_in_time():
    assert {draw_prompt("{a|b|{c|d}}") for _ in range(500)} == {"a", "b", "c", "d"}


@pytest.mark.parametrize("text", ["/*" * 10**6, "{a|b" * 10**5, "{" * 10**6, "\\" * 10**6])
def test_prompt_of_nothing_but_signs_takes_no_time(text):
    assert isinstance(draw_prompt(text), str)


VALUES = {
    ("A", "list"): [1],
    ("A", "width"): 64,
    ("A", "cfg"): 7.0,
    ("A", "b"): True,
    ("A", "n"): None,
    ("A", "name"): 'x/y:"z"',
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("%A.width%_%A.cfg%", "64_7"),
        ("%A.b%%A.n%", "true"),
        ("%A.name%", "x_y__z_"),
        ("%A.list%", "%A.list%"),
        ("%A.height%_%B.width%", "%A.height%_%B.width%"),
        ("%date:yyyy-MM-dd%/%width% 5%", "%date:yyyy-MM-dd%/%width% 5%"),
        ("%date:dd.MM.yyyy%", "%date:dd.MM.yyyy%"),
    ],
)
def test_name_of_a_file_is_filled_in(text, filled):
    assert fill_name(text, lambda node, widget: VALUES[node, widget]) == filled
