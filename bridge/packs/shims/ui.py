"""``comfy_api.latest.ui``: what nodes of the second form show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from bridge.engine import current_job
from bridge.imaging import (
    cut_to_bytes,
    encode_png,
    output_entry,
    output_stem,
    save_numbered,
    workflow_texts,
    writing_to,
)

__all__ = ["ImageSaveHelper", "PreviewImage", "PreviewMask", "PreviewText", "SavedImages", "SavedResult"]


class SavedResult(dict[str, str]):
    """A file that a node has written."""

    def __init__(self, filename: str, subfolder: str, type: Any) -> None:
        super().__init__(filename=filename, subfolder=subfolder, type=str(getattr(type, "value", type)))

    @property
    def filename(self) -> str:
        """Its name."""
        return self["filename"]

    @property
    def subfolder(self) -> str:
        """Where it lies below its folder."""
        return self["subfolder"]

    @property
    def type(self) -> str:
        """Its folder: ``output``, ``temp`` or ``input``."""
        return self["type"]


class SavedImages:
    """Files that are pictures."""

    def __init__(self, results: Sequence[Mapping[str, str]], is_animated: bool = False) -> None:
        self.results = list(results)
        self.is_animated = is_animated

    def as_dict(self) -> dict[str, Any]:
        """Return what ComfyUI's clients are told."""
        animated = {"animated": (True,)} if self.is_animated else {}
        return {"images": self.results, **animated}


class PreviewImage(SavedImages):
    """Pictures to look at, shape (B, H, W, C), 0..1; not kept."""

    def __init__(self, image: Tensor, animated: bool = False, cls: Any = None, **_: Any) -> None:
        super().__init__(_saved(image, "ComfyUI_temp", "temp", cls), animated)


class PreviewMask(PreviewImage):
    """Masks to look at, shape (B, H, W), 0..1; not kept."""

    def __init__(self, mask: Tensor, animated: bool = False, cls: Any = None, **_: Any) -> None:
        batch = mask.reshape((-1, *mask.shape[-2:], 1))
        super().__init__(batch.expand(-1, -1, -1, 3), animated, cls)


class PreviewText:
    """A text to read."""

    def __init__(self, value: Any, **_: Any) -> None:
        self.value = value

    def as_dict(self) -> dict[str, Any]:
        """Return what ComfyUI's clients are told."""
        return {"text": (self.value,)}


class ImageSaveHelper:
    """Saves pictures."""

    @staticmethod
    def save_images(
        images: Tensor,
        filename_prefix: str,
        folder_type: Any,
        cls: Any = None,
        compress_level: int = 4,
    ) -> list[SavedResult]:
        """Save pictures of shape (B, H, W, C) as PNG, and return their files."""
        return _saved(images, filename_prefix, str(getattr(folder_type, "value", folder_type)), cls)

    @staticmethod
    def get_save_images_ui(
        images: Tensor, filename_prefix: str, cls: Any = None, compress_level: int = 4
    ) -> SavedImages:
        """Save pictures in the output folder, and return what to show."""
        return SavedImages(_saved(images, filename_prefix, "output", cls))


def _saved(images: Tensor, prefix: str, home: str, cls: Any) -> list[SavedResult]:
    root: Path = getattr(current_job().folders, home)
    hidden = getattr(cls, "hidden", None)
    texts = workflow_texts(getattr(hidden, "prompt", None), getattr(hidden, "extra_pnginfo", None))
    height, width = images.shape[1:3]
    stem = output_stem(root, prefix, width, height)
    saved = []
    with writing_to(root):
        for image in images.cpu().numpy():
            data = encode_png(cut_to_bytes(image[..., :3]), texts)
            saved.append(output_entry(save_numbered(stem.parent, stem.name, data), root, home))
    return [SavedResult(**entry) for entry in saved]
