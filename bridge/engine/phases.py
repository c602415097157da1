"""What a job spends its time on, for people: a node's phase follows from its sockets.

``load`` reads a model's file, ``encode`` makes conditioning or latents, ``sample`` denoises, ``decode`` makes
a picture of latents, ``save`` keeps, shows or sends; everything else is ``other``. Nodes that run beside each
other each count their own time, and a model that visits the device while sampling counts as ``sample``.
"""

from collections import defaultdict
from collections.abc import Mapping

from bridge.graph import Definitions, NodeDefinition

PHASES = ("load", "encode", "sample", "decode", "save", "other")

_NO_MODELS = frozenset({"input", "output", "temp"})
"""Folders that a node may list its choices from and that hold no models."""


def phase_of(definition: NodeDefinition) -> str:
    """Return the phase that a node belongs to."""
    takes = {entry.type for entry in definition.inputs}
    gives = {entry.type for entry in definition.outputs}
    folders = {entry.choices_from for entry in definition.inputs} - {""}
    if definition.is_output:
        return "save"
    if folders - _NO_MODELS:
        return "load"
    if takes & {"MODEL", "GUIDER"} and gives & {"LATENT", "IMAGE"}:
        return "sample"
    if "CONDITIONING" in gives or ("VAE" in takes and "LATENT" in gives):
        return "encode"
    return "decode" if "VAE" in takes and "IMAGE" in gives else "other"


def by_phase(seconds: Mapping[str, float], definitions: Definitions) -> dict[str, float]:
    """Add up what node classes took, by phase.

    Args:
        seconds: Node class → seconds.
        definitions: Of these classes.
    """
    totals: defaultdict[str, float] = defaultdict(float)
    for name, spent in seconds.items():
        totals[phase_of(definitions[name])] += spent
    return dict(totals)
