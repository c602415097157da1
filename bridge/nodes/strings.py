"""Texts: joining, cutting, changing and asking about them."""

from typing import Annotated, Literal

from bridge.diffusion import PatternFlags, extract, join_texts, matches, replace_pattern, replace_text
from bridge.graph import Multiline, Omissible, Range, Tooltip, node

Text = Annotated[str, Multiline()]
OptionalSwitch = Annotated[bool, Omissible()]


@node("StringConcatenate", category="utils/string", display_name="Concatenate")
def string_concatenate(string_a: Text, string_b: Text, delimiter: str = "") -> str:
    """Put two texts together, with something between them if wanted."""
    return join_texts(string_a, string_b, delimiter)


@node("StringSubstring", category="utils/string", display_name="Substring")
def string_substring(string: Text, start: int, end: int) -> str:
    """Cut characters out of a text; negative numbers count from its end."""
    return string[start:end]


@node("StringLength", category="utils/string", display_name="Length", outputs=("length",))
def string_length(string: Text) -> int:
    """Count the characters of a text."""
    return len(string)


@node("CaseConverter", category="utils/string", display_name="Case Converter")
def case_converter(string: Text, mode: Literal["UPPERCASE", "lowercase", "Capitalize", "Title Case"]) -> str:
    """Write a text in capitals, in small letters, or with capitals in front."""
    change = {
        "UPPERCASE": str.upper,
        "lowercase": str.lower,
        "Capitalize": str.capitalize,
        "Title Case": str.title,
    }
    return change[mode](string)


@node("StringTrim", category="utils/string", display_name="Trim")
def string_trim(string: Text, mode: Literal["Both", "Left", "Right"]) -> str:
    """Take spaces and line breaks away from the ends of a text."""
    return {"Both": str.strip, "Left": str.lstrip, "Right": str.rstrip}[mode](string)


@node("StringReplace", category="utils/string", display_name="Replace")
def string_replace(string: Text, find: Text, replace: Text) -> str:
    """Replace every occurrence of something in a text."""
    return replace_text(string, find, replace)


@node("StringContains", category="utils/string", display_name="Contains", outputs=("contains",))
def string_contains(string: Text, substring: Text, case_sensitive: bool = True) -> bool:
    """Say whether a text has something in it."""
    return substring in string if case_sensitive else substring.lower() in string.lower()


@node("StringCompare", category="utils/string", display_name="Compare")
def string_compare(
    string_a: Text,
    string_b: Text,
    mode: Literal["Starts With", "Ends With", "Equal"],
    case_sensitive: bool = True,
) -> bool:
    """Say whether a text begins with another, ends with it, or is the same."""
    if not case_sensitive:
        string_a, string_b = string_a.lower(), string_b.lower()
    if mode == "Equal":
        return string_a == string_b
    return string_a.startswith(string_b) if mode == "Starts With" else string_a.endswith(string_b)


@node(
    "RegexMatch",
    category="utils/string",
    display_name="Regex Match",
    outputs=("matches",),
    differs="A faulty pattern is an error; ComfyUI takes it for one that does not match.",
)
def regex_match(
    string: Text,
    regex_pattern: Text,
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
) -> bool:
    """Say whether a regular expression matches anywhere in a text."""
    return matches(string, regex_pattern, PatternFlags(case_insensitive, multiline, dotall))


@node(
    "RegexExtract",
    category="utils/string",
    display_name="Regex Extract",
    differs="A faulty pattern is an error; ComfyUI takes it for one that does not match.",
)
def regex_extract(
    string: Text,
    regex_pattern: Text,
    mode: Literal["First Match", "All Matches", "First Group", "All Groups"],
    case_insensitive: bool = True,
    multiline: bool = False,
    dotall: bool = False,
    group_index: Annotated[int, Range(0, 100)] = 1,
) -> str:
    """Take what a regular expression, or one of its groups, matches; one match a line."""
    flags = PatternFlags(case_insensitive, multiline, dotall)
    return extract(string, regex_pattern, mode, group_index, flags)


@node("RegexReplace", category="utils/string", display_name="Regex Replace")
def regex_replace(
    string: Text,
    regex_pattern: Text,
    replace: Text,
    case_insensitive: OptionalSwitch = True,
    multiline: OptionalSwitch = False,
    dotall: OptionalSwitch = False,
    count: Annotated[
        int, Range(0, 100), Omissible(), Tooltip("At most so many replacements; 0 means every one.")
    ] = 0,
) -> str:
    r"""Replace what a regular expression matches; \1 stands for its first group."""
    flags = PatternFlags(case_insensitive, multiline, dotall)
    return replace_pattern(string, regex_pattern, replace, count, flags)
