"""GLIGEN: opening a model, and words in boxes."""

from typing import Annotated

from bridge.diffusion import (
    EMBEDDINGS_DIFFER,
    Clip,
    Conditioning,
    embedding_stamps,
    find_model,
    job_catalogue,
    model_stamps,
    pool_words,
)
from bridge.diffusion.gligen import add_text_box, load_gligen
from bridge.diffusion.types import Gligen, TextBox
from bridge.graph import ChoicesFrom, EditorOption, Multiline, Range, node

Side = Annotated[int, Range(8, 16_384, 8)]
Place = Annotated[int, Range(0, 16_384, 8)]


@node(
    "GLIGENLoader",
    category="loaders",
    fingerprint=model_stamps(gligen_name="gligen"),
    differs="Only models for boxes with words are supported, in the layout of gligen_sd14_textbox_pruned.",
)
def gligen_loader(gligen_name: Annotated[str, ChoicesFrom("gligen")]) -> Gligen:
    """Open a GLIGEN model, which paints words in boxes."""
    return load_gligen(find_model("gligen", gligen_name), gligen_name)


@node(
    "GLIGENTextBoxApply",
    category="conditioning/gligen",
    fingerprint=embedding_stamps,
    differs=EMBEDDINGS_DIFFER,
)
def gligen_text_box_apply(
    conditioning_to: Conditioning,
    clip: Clip,
    gligen_textbox_model: Gligen,
    text: Annotated[str, Multiline(), EditorOption("dynamicPrompts")],
    width: Side = 64,
    height: Side = 64,
    x: Place = 0,
    y: Place = 0,
) -> Conditioning:
    """Say what belongs in a box of the picture, in pixels; the prompt should name it too."""
    words = pool_words(clip, text, job_catalogue())
    return add_text_box(conditioning_to, gligen_textbox_model, TextBox(words, x, y, width, height))
