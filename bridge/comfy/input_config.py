"""One input of a node as ComfyUI's clients know it: ``["INT", {"default": 20, "min": 1}]``."""

from typing import Any

from bridge.graph import ChoicesOf, InputDefinition


def input_config(entry: InputDefinition, choices: ChoicesOf) -> list[Any]:
    """Return an input as ``/object_info`` describes it.

    Args:
        entry: The input.
        choices: Lists a folder.

    Returns:
        The type, or for a ``COMBO`` the list of its values, and the options of the widget. A list that the
        editor fetches itself (``remote``) is left out, as ComfyUI does. Where several may be chosen at once,
        the type is ``COMBO``, and the option ``multi_select`` is set.
    """
    options = _options(entry)
    if entry.type == "COMBO_LIST":
        return ["COMBO", {"multi_select": True, **options}]
    if entry.type != "COMBO" or "remote" in options:
        return [entry.type, options]
    return [list(entry.choices if entry.choices is not None else choices(entry.choices_from)), options]


def _options(entry: InputDefinition) -> dict[str, Any]:
    """Return the options of a widget; what a foreign pack says of it itself counts most."""
    given = {"default": entry.default, "min": entry.minimum, "max": entry.maximum, "step": entry.step}
    said = {
        "multiline": entry.is_multiline,
        "lazy": entry.is_lazy,
        "rawLink": entry.is_raw_link,
        "tooltip": entry.tooltip,
    }
    return {
        **{name: value for name, value in given.items() if value is not None},
        **{name: value for name, value in said.items() if value},
        **entry.options,
    }
