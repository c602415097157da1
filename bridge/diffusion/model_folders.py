"""The models that the running job's folders hold, and those that come with us."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from bridge.builtin import model_folder
from bridge.diffusion.tokens import embedding_names, find_embedding
from bridge.engine import current_job
from bridge.errors import BridgeError
from bridge.models import Catalogue

EMBEDDINGS_DIFFER = (
    "An embedding that is not there, or is of another family, is an error instead of being left out."
)
"""What differs from ComfyUI in all nodes that read prompts."""


def job_catalogue() -> Catalogue:
    """Return the catalogue of the job that runs; outside of a job, of the models that come with us."""
    try:
        roots = current_job().folders.models
    except LookupError:
        roots = ()
    return Catalogue(roots, model_folder())


def find_model(folder: str, name: str) -> Path:
    """Return the file or diffusers folder behind a name in the running job's folders.

    Raises:
        ModelNotFound: If there is none; the message names the nearest.
    """
    return job_catalogue().find(folder, name)


def folder_stamps(*folders: str) -> Any:
    """Return what changes when any model of some folders does, or one is added or taken away."""
    catalogue = job_catalogue()
    return [
        (folder, name, catalogue.stamp(folder, name))
        for folder in folders
        for name in catalogue.names(folder)
    ]


def model_stamps(**folders: str) -> Callable[..., Any]:
    """Return a loader's ``fingerprint``: it changes when a file does that one of the inputs names.

    Args:
        folders: Input of the loader → the kind of model that it names.
    """

    def stamps(**values: Any) -> Any:
        catalogue = job_catalogue()
        return tuple(catalogue.stamp(folder, values[name]) for name, folder in folders.items())

    return stamps


def embedding_stamps(text: str | None) -> Any:
    """Return what changes when an embedding that a prompt names does: for a prompt from a link, any."""
    if text is None:
        return folder_stamps("embeddings")
    models = job_catalogue()
    try:
        paths = [find_embedding(name, models)[0] for name in embedding_names(text)]
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in paths]
    except (BridgeError, OSError):
        return None
