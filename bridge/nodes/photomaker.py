"""PhotoMaker: faces from pictures, in prompts for SDXL."""

from typing import Annotated

from bridge.diffusion import (
    EMBEDDINGS_DIFFER,
    Clip,
    Conditioning,
    Image,
    embedding_stamps,
    encode_prompt,
    find_model,
    job_catalogue,
    model_stamps,
)
from bridge.diffusion.photomaker import PhotoMaker, load_photomaker, with_face
from bridge.graph import ChoicesFrom, EditorOption, Multiline, node

CATEGORY = "_for_testing/photomaker"


@node(
    "PhotoMakerLoader",
    category=CATEGORY,
    fingerprint=model_stamps(photomaker_model_name="photomaker"),
    differs="Pickled files (.bin) are refused until converted: python -m bridge.diffusion.unpickling FILE.",
)
def photomaker_loader(photomaker_model_name: Annotated[str, ChoicesFrom("photomaker")]) -> PhotoMaker:
    """Open a PhotoMaker, which puts a person's face into prompts for SDXL."""
    return load_photomaker(find_model("photomaker", photomaker_model_name), photomaker_model_name)


@node(
    "PhotoMakerEncode",
    category=CATEGORY,
    fingerprint=embedding_stamps,
    differs="A prompt that begins with photomaker is an error: there is no word that could get the face. "
    + EMBEDDINGS_DIFFER,
)
def photomaker_encode(
    photomaker: PhotoMaker,
    image: Image,
    clip: Clip,
    text: Annotated[str, Multiline(), EditorOption("dynamicPrompts")] = "photograph of photomaker",
) -> Conditioning:
    """Turn a prompt into conditioning; the word before "photomaker" gets the face in the picture."""
    return (with_face(encode_prompt(clip, text, job_catalogue()), text, photomaker, image),)
