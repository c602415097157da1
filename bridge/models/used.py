"""Which model files a workflow's pictures depend on."""

from collections.abc import Mapping
from typing import Any

from bridge.errors import ModelError
from bridge.graph import Definitions
from bridge.models.catalogue import ALIASES, FOLDERS, Catalogue


def models_used(
    workflow: Mapping[str, Any], definitions: Definitions, catalogue: Catalogue
) -> dict[str, str]:
    """Return the SHA-256 of every model that a workflow names; reads files that are new to it.

    Args:
        workflow: API JSON.
        definitions: Say which inputs name models, and of which kind.
        catalogue: Where they lie.

    Returns:
        ``checkpoints/name`` → SHA-256 in hexadecimal. A model that is gone meanwhile is left out.
    """
    found = {}
    for node in workflow.values():
        definition = definitions.get(node.get("class_type", ""))
        for entry in definition.inputs if definition else ():
            name = node.get("inputs", {}).get(entry.name)
            if isinstance(name, str) and ALIASES.get(entry.choices_from, entry.choices_from) in FOLDERS:
                try:
                    found[f"{entry.choices_from}/{name}"] = catalogue.digest(entry.choices_from, name)
                except (ModelError, OSError):
                    continue
    return found
