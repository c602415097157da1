import pytest

from bridge.engine.phases import PHASES, PhaseBook, phase_of
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition


def definition(takes=(), gives=(), **fields):
    inputs = tuple(InputDefinition(name, kind) for name, kind in zip("abcdef", takes, strict=False))
    return NodeDefinition(
        "Any", "any", inputs=inputs, outputs=tuple(OutputDefinition(kind, kind) for kind in gives), **fields
    )


def chosen_from(folder, gives):
    inputs = (InputDefinition("name", "COMBO", choices_from=folder),)
    return NodeDefinition("Any", "any", inputs=inputs, outputs=(OutputDefinition(gives, gives),))


@pytest.mark.parametrize(
    ("node", "phase"),
    [
        (chosen_from("checkpoints", "MODEL"), "load"),
        (chosen_from("input", "IMAGE"), "other"),
        (definition(["CLIP", "STRING"], ["CONDITIONING"]), "encode"),
        (definition(["IMAGE", "VAE"], ["LATENT"]), "encode"),
        (definition(["MODEL", "LATENT"], ["LATENT"]), "sample"),
        (definition(["GUIDER", "NOISE"], ["LATENT", "LATENT"]), "sample"),
        (definition(["LATENT", "VAE"], ["IMAGE"]), "decode"),
        (definition(["IMAGE"], [], is_output=True), "save"),
        (definition(["MODEL", "FLOAT"], ["MODEL"]), "other"),
        (definition(["IMAGE"], ["IMAGE"]), "other"),
    ],
)
def test_sockets_tell_the_phase(node, phase):
    assert phase_of(node) == phase
    assert phase in PHASES


def test_seconds_are_added_up_by_phase_and_models_that_need_not_be_loaded_counted():
    book = PhaseBook(
        {
            "Load": chosen_from("vae", "VAE"),
            "Show": definition(is_output=True),
            "Save": definition(is_output=True),
        }
    )
    classes = ["Load", "Show", "Save"]
    assert book.enter({"Load": 1.0, "Show": 0.5, "Save": 0.25}, classes) == {"load": 1.0, "save": 0.75}
    assert book.model_cache_hits == 0
    assert book.enter({"Show": 0.5}, classes) == {"save": 0.5}
    assert book.model_cache_hits == 1
