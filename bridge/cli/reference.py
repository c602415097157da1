"""docs/nodes.md: every node as its definition describes it, and the nodes of ComfyUI that are not here."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from bridge.graph import Definitions, InputDefinition, NodeDefinition, OutputDefinition

LONG = 8
"""Lists of more choices than this stand at the end of the page, once."""

HEAD = """\
# Nodes

The nodes of workflows, by category. Those that ComfyUI has too take the same inputs, defaults and outputs,
and mean the same; where one differs on purpose, it says so. `framebridge nodes --markdown` makes this page.
"""


Absent = Mapping[str, Mapping[str, Sequence[str]]]
"""Whose nodes are missing → why → the classes of which that is true."""


def nodes_page(definitions: Definitions, absent: Absent) -> str:
    """Return the page as Markdown.

    Args:
        definitions: The nodes that exist.
        absent: The nodes that are missing; the first group is ComfyUI itself.
    """
    entries = sorted(definitions.values(), key=lambda entry: (entry.category.casefold(), entry.name))
    lists = _long_lists(entries)
    parts = [HEAD]
    for category, group in groupby(entries, key=lambda entry: entry.category):
        parts.append(f"## {category}\n")
        parts.extend(_node(entry, lists) for entry in group)
    if lists:
        parts.append("## Long lists of choices\n")
        parts.extend(f"### {name}\n\n{_listed(choices)}\n" for choices, name in lists.items())
    parts.append(_absent(absent))
    return "\n".join(parts)


def _node(entry: NodeDefinition, lists: Mapping[tuple[str, ...], str]) -> str:
    title = entry.name if entry.display_name == entry.name else f"{entry.name} · {entry.display_name}"
    lines = [f"### {title}\n", f"{_text(entry.description)}\n"]
    if entry.inputs:
        lines += ["| input | type | default | values | |", "|---|---|---|---|---|"]
        lines += [_row(item, lists) for item in entry.inputs]
        lines.append("")
    lines.append(f"Outputs: {_outputs(entry.outputs)}.\n")
    if entry.differs:
        lines.append(f"**Differs from ComfyUI:** {_text(entry.differs)}\n")
    return "\n".join(lines)


def _row(item: InputDefinition, lists: Mapping[tuple[str, ...], str]) -> str:
    default = "" if item.default is None else _code(item.default)
    notes = [
        "" if item.is_required else "optional",
        "fetched only when needed" if item.is_lazy else "",
        "takes the link itself" if item.is_raw_link else "",
        _text(item.tooltip),
    ]
    cells = (f"`{item.name}`", item.type, default, _values(item, lists), "; ".join(filter(None, notes)))
    return "| " + " | ".join(cells) + " |"


def _values(item: InputDefinition, lists: Mapping[tuple[str, ...], str]) -> str:
    """Say which values an input takes: a folder's files, a list, a range, or nothing in particular."""
    if item.choices_from:
        return f"what lies in `{item.choices_from}`"
    if item.choices and item.choices in lists:
        name = lists[item.choices]
        return f"[{name}](#{_anchor(name)})"
    if item.choices:
        return _listed(item.choices)
    low, high = (None if bound is None else _code(bound) for bound in (item.minimum, item.maximum))
    if low is None and high is None:
        return ""
    bounds = f"{low or '−∞'} … {high or '∞'}"
    return bounds if item.step is None else f"{bounds}, step {_code(item.step)}"


def _outputs(outputs: Iterable[OutputDefinition]) -> str:
    """Name outputs with their types; a name that only repeats the type is left out."""
    shown = [
        (f"`{output.type}`" if output.name == output.type else f"`{output.name}` {output.type}")
        + (" (a list)" if output.is_list else "")
        for output in outputs
    ]
    return ", ".join(shown) or "none; the node itself saves, shows or sends"


def _long_lists(entries: Iterable[NodeDefinition]) -> dict[tuple[str, ...], str]:
    """Give each long list of choices a name of its own: that of the first input which takes it."""
    lists: dict[tuple[str, ...], str] = {}
    for node, item in _inputs(entries):
        if item.choices and len(item.choices) > LONG and item.choices not in lists:
            is_taken = item.name in lists.values()
            lists[item.choices] = f"{item.name} of {node.name}" if is_taken else item.name
    return lists


def _inputs(entries: Iterable[NodeDefinition]) -> Iterator[tuple[NodeDefinition, InputDefinition]]:
    return ((node, item) for node in entries for item in node.inputs)


def _absent(absent: Absent) -> str:
    lines = [
        "## Nodes that are not here\n",
        "Of the nodes that come with ComfyUI, and with two packs that many workflows use, these work on",
        "still images with Stable Diffusion 1.5, 2 or XL and are missing. Nodes for other families, video,",
        "audio and meshes are not listed.\n",
    ]
    for pack, groups in absent.items():
        reasons = {name: why for why, names in groups.items() for name in names}
        lines += [f"### Of {pack}\n", "| node | why |", "|---|---|"]
        lines += [f"| {name} | {_text(reasons[name])} |" for name in sorted(reasons, key=str.casefold)]
        lines.append("")
    return "\n".join(lines)


def _listed(choices: Iterable[str]) -> str:
    return ", ".join(map(_code, choices))


def _code(value: Any) -> str:
    """Write a value as code; a pipe would end its cell of the table."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f"`{text}`".replace("|", "\\|").replace("\n", "↵") if text else "empty"


def _text(text: str) -> str:
    """Keep Markdown from reading more into a text than it says; what stands in backticks is left alone."""
    parts = re.split(r"(`[^`]*`)", text.replace("``", "`"))
    return "".join(part if part.startswith("`") else re.sub(r"([|<*_\[])", r"\\\1", part) for part in parts)


def _anchor(title: str) -> str:
    """Return what GitHub and mkdocs make of a heading in links."""
    return re.sub(r"[^\w -]", "", title.casefold()).replace(" ", "-")
