"""What a job spends its time on, for people: a node's phase follows from its sockets.

``load`` reads a model's file, ``encode`` makes conditioning or latents, ``sample`` denoises, ``decode`` makes
a picture of latents, ``save`` keeps, shows or sends; everything else is ``other``. Nodes that run beside each
other each count their own time, and a model that visits the device while sampling counts as ``sample``.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from bridge.graph import PICTURE_FOLDERS, Definitions, NodeDefinition

PHASES = ("load", "encode", "sample", "decode", "save", "other")


def phase_of(definition: NodeDefinition) -> str:
    """Return the phase that a node belongs to."""
    takes = {entry.type for entry in definition.inputs}
    gives = {entry.type for entry in definition.outputs}
    folders = {entry.choices_from for entry in definition.inputs} - {""}
    if definition.is_output:
        return "save"
    if folders.difference(PICTURE_FOLDERS):
        return "load"
    if takes & {"MODEL", "GUIDER"} and gives & {"LATENT", "IMAGE"}:
        return "sample"
    if "CONDITIONING" in gives or ("VAE" in takes and "LATENT" in gives):
        return "encode"
    return "decode" if "VAE" in takes and "IMAGE" in gives else "other"


class PhaseBook:
    """Adds up what runs of one worker did, by phase.

    Args:
        definitions: Of the nodes that can run.

    Attributes:
        model_cache_hits: Nodes that load models and did not have to run, so far.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._phases = {name: phase_of(definition) for name, definition in definitions.items()}
        self.model_cache_hits = 0

    def enter(self, seconds: Mapping[str, float], classes: Iterable[str]) -> dict[str, float]:
        """Note a run; return what it took by phase.

        Args:
            seconds: Node class → seconds, of those that ran.
            classes: Of all nodes of the workflow.
        """
        spared = set(classes) - seconds.keys()
        self.model_cache_hits += sum(self._phases.get(name) == "load" for name in spared)
        totals: defaultdict[str, float] = defaultdict(float)
        for name, spent in seconds.items():
            totals[self._phases[name]] += spent
        return dict(totals)
