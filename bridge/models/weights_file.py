"""Where the weights of a network lie in its folder, as diffusers and transformers write it."""

from pathlib import Path

from bridge.errors import ModelError


def weights_file(folder: Path, stem: str) -> Path:
    """Return the safetensors file of a network's folder, or the index of several.

    Args:
        folder: Of the network.
        stem: ``model`` or ``diffusion_pytorch_model``.

    Raises:
        ModelError: Code ``unsafe_model`` if only pickles are there, ``model_corrupt`` if nothing is.
    """
    for variant in ("", ".fp16"):
        for name in (f"{stem}{variant}.safetensors", f"{stem}.safetensors.index{variant}.json"):
            if (folder / name).is_file():
                return folder / name
    if any(folder.glob("*.bin")):
        raise ModelError(
            f'"{folder.parent.name}/{folder.name}" has only pickled weights, which can run code when opened',
            code="unsafe_model",
            hint="Get the .safetensors version of it.",
        )
    raise ModelError(
        f'"{folder.parent.name}/{folder.name}" has no {stem}.safetensors',
        code="model_corrupt",
        hint="Download the folder again, with all of its files.",
    )
