"""``comfy_api``: progress for nodes of any form, and the second form of nodes (``io``, ``ui``)."""

from collections.abc import Sequence
from typing import Any

from bridge.packs.shims import ui as shown
from bridge.packs.shims.io_nodes import ComfyNode, Hidden, HiddenHolder, NodeOutput, Schema
from bridge.packs.shims.io_types import (
    TYPES,
    ComboInput,
    ComfyType,
    FolderType,
    Input,
    MatchType,
    MultiType,
    NumberDisplay,
    Output,
    RemoteOptions,
    UploadType,
    WidgetInput,
    comfytype,
    custom,
)
from bridge.packs.shims.missing import namespace
from bridge.packs.shims.utils import ProgressBar

__all__ = ["IO", "UI", "ComfyAPI", "ComfyAPISync", "ComfyExtension", "comfy_io", "io", "ui"]

io = IO = comfy_io = namespace(
    "comfy_api.latest.io",
    **TYPES,
    ComfyNode=ComfyNode,
    ComfyType=ComfyType,
    ComfyTypeI=ComfyType,
    ComfyTypeIO=ComfyType,
    Custom=custom,
    FolderType=FolderType,
    Hidden=Hidden,
    HiddenHolder=HiddenHolder,
    Input=Input,
    MatchType=MatchType,
    MultiType=MultiType,
    NodeOutput=NodeOutput,
    NumberDisplay=NumberDisplay,
    Output=Output,
    RemoteOptions=RemoteOptions,
    Schema=Schema,
    UploadType=UploadType,
    WidgetInput=WidgetInput,
    ComboInput=ComboInput,
    comfytype=comfytype,
)
"""What ``from comfy_api.latest import io`` gives."""

ui = UI = namespace("comfy_api.latest.ui", **{name: getattr(shown, name) for name in shown.__all__})
"""What ``from comfy_api.latest import ui`` gives."""


class ComfyExtension:
    """A pack of the second form: ``comfy_entrypoint()`` of its module returns one."""

    async def on_load(self) -> None:
        """Make ready what all its nodes need."""

    async def get_node_list(self) -> Sequence[type[ComfyNode]]:
        """Return its nodes."""
        raise NotImplementedError(f"{type(self).__name__}.get_node_list")


class _Execution:
    """The run, for plain functions."""

    def set_progress(
        self,
        value: float,
        max_value: float,
        node_id: str | None = None,
        preview_image: Any = None,
        ignore_size_limit: bool = False,
    ) -> None:
        """Say how far a node is: the one that runs, unless another is named."""
        limit = None if ignore_size_limit else 512
        preview = None if preview_image is None else ("JPEG", preview_image, limit)
        ProgressBar(max_value, node_id).update_absolute(value, max_value, preview)


class _AsyncExecution:
    """The run, for ``async`` functions."""

    async def set_progress(self, *given: Any, **named: Any) -> None:
        """Say how far a node is: the one that runs, unless another is named."""
        _Execution().set_progress(*given, **named)


class ComfyAPI:
    """What packs ask for with ``await``."""

    execution = _AsyncExecution()


class ComfyAPISync:
    """The same without."""

    execution = _Execution()
