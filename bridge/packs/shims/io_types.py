"""``comfy_api.latest.io``: socket types of the second form, as classes with an ``Input`` and an ``Output``.

A type is a class: ``io.Image`` with ``io.Image.Input("image")`` and ``io.Image.Output()``. What an input
says about itself is turned into the first form's ``(type, options)`` by ``Input.declared``.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar


class NumberDisplay(str, Enum):  # noqa: UP042 - packs compare members with plain texts
    """How a number is shown."""

    number = "number"
    slider = "slider"


class FolderType(str, Enum):  # noqa: UP042
    """Folders of pictures."""

    input = "input"
    output = "output"
    temp = "temp"


class UploadType(str, Enum):  # noqa: UP042
    """What may be uploaded where a file is chosen."""

    image = "image_upload"
    audio = "audio_upload"
    video = "video_upload"
    model = "file_upload"


class RemoteOptions:
    """Choices that the editor fetches itself."""

    def __init__(self, route: str, **options: Any) -> None:
        self.route = route
        self.options = options

    def as_dict(self) -> dict[str, Any]:
        """Return what the editor is told."""
        return {"route": self.route, **self.options}


class Input:
    """An input of any type.

    Args:
        id: Its name in workflows.
        display_name: What people read.
        optional: Whether a workflow may leave it out.
        tooltip: One sentence about it.
        lazy: Whether the node decides at run time if it needs it.
        extra_dict: More for the editor.
        options: Whatever its type knows besides, by ComfyUI's names.
    """

    io_type: ClassVar[str] = "*"
    names: ClassVar[Mapping[str, str]] = {
        "dynamic_prompts": "dynamicPrompts",
        "display_mode": "display",
        "force_input": "forceInput",
        "widget_type": "widgetType",
        "raw_link": "rawLink",
    }

    def __init__(
        self,
        id: str,
        display_name: str | None = None,
        optional: bool = False,
        tooltip: str | None = None,
        lazy: bool | None = None,
        extra_dict: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.optional = optional
        self.tooltip = tooltip
        self.lazy = lazy
        self.extra_dict = dict(extra_dict or {})
        self.options = options

    def get_io_type(self) -> str:
        """Return the socket type."""
        return str(self.options.get("widget_type") or self.io_type)

    def as_dict(self) -> dict[str, Any]:
        """Return the options of the first form."""
        named = {"display_name": self.display_name, "tooltip": self.tooltip, "lazy": self.lazy}
        given = {self.names.get(name, name): value for name, value in self.options.items()}
        merged = {**named, **given, **self.extra_dict}
        return {name: value for name, value in merged.items() if value is not None}

    def declared(self) -> tuple[Any, dict[str, Any]]:
        """Return what a class of the first form would declare."""
        return self.get_io_type(), self.as_dict()


class WidgetInput(Input):
    """An input whose value may stand in the workflow itself."""


class Output:
    """An output of any type."""

    io_type: Any = "*"

    def __init__(
        self,
        id: str | None = None,
        display_name: str | None = None,
        tooltip: str | None = None,
        is_output_list: bool = False,
        **options: Any,
    ) -> None:
        self.id = id
        self.display_name = display_name
        self.tooltip = tooltip
        self.is_output_list = is_output_list
        self.options = options


class ComboInput(WidgetInput):
    """A choice."""

    io_type = "COMBO"
    is_many: ClassVar[bool] = False

    def __init__(self, id: str, options: Sequence[Any] | None = None, *more: Any, **given: Any) -> None:
        super().__init__(id, *more, **given)
        self.choices = options

    def declared(self) -> tuple[Any, dict[str, Any]]:
        """Return what a class of the first form would declare."""
        given = self.as_dict()
        upload, folder, remote = (given.pop(name, None) for name in ("upload", "image_folder", "remote"))
        if upload is not None:
            given[str(UploadType(upload).value)] = True
        if folder is not None:
            given["image_folder"] = str(FolderType(folder).value)
        if remote is not None:
            given["remote"] = remote.as_dict()
        if self.is_many:
            given["multiselect"] = True
        choices: Any = self.choices
        if isinstance(choices, type) and issubclass(choices, Enum):
            choices = [member.value for member in choices]
        return self.io_type, given if choices is None else {**given, "options": choices}


class MultiComboInput(ComboInput):
    """Several choices."""

    is_many = True


class ComfyType:
    """A socket type."""

    Type: Any = Any
    io_type: ClassVar[Any] = "*"
    Input: Any = Input
    Output: Any = Output


def custom(io_type: str, base: type[Input] = Input, name: str = "") -> type[ComfyType]:
    """Return a socket type of any name: ``io.Custom("MY_TYPE")``."""
    names = {"io_type": io_type}
    return type(
        name or io_type,
        (ComfyType,),
        {**names, "Input": type("Input", (base,), names), "Output": type("Output", (Output,), names)},
    )


def comfytype(io_type: str, **ignored: Any) -> Callable[[type], type]:
    """Give a class of a pack a socket type: ``@io.comfytype(io_type="MY_TYPE")``."""

    def name(kind: type) -> type:
        names = {"io_type": io_type}
        kind.io_type = io_type  # type: ignore[attr-defined]
        kind.Input = type("Input", (getattr(kind, "Input", Input),), names)  # type: ignore[attr-defined]
        kind.Output = type("Output", (getattr(kind, "Output", Output),), names)  # type: ignore[attr-defined]
        return kind

    return name


class MultiType:
    """An input that takes several types."""

    io_type = "COMFY_MULTITYPED_V3"

    class Input(Input):
        """Takes any of the types; where ``id`` is an input itself, it is shown as that."""

        def __init__(self, id: str | Input, types: Sequence[Any], *more: Any, **given: Any) -> None:
            shown = id if isinstance(id, Input) else None
            super().__init__(shown.id if shown else str(id), *more, **given)
            self.shown = shown
            self.types = types
            if shown:
                self.optional = self.optional or shown.optional
                self.tooltip = self.tooltip or shown.tooltip
                self.lazy = shown.lazy if self.lazy is None else self.lazy

        def get_io_type(self) -> str:
            """Return the types, with commas between them."""
            first = [self.shown.get_io_type()] if self.shown else []
            return ",".join(dict.fromkeys([*first, *(str(kind.io_type) for kind in self.types)]))

        def as_dict(self) -> dict[str, Any]:
            """Return the options of the first form."""
            shown = self.shown.declared()[1] if self.shown else {}
            return {**shown, **super().as_dict()}


class MatchType:
    """Inputs and outputs of one type, whichever of several that is; each takes all of them here."""

    io_type = "COMFY_MATCHTYPE_V3"

    class Template:
        """The types that are possible; all, if none is named."""

        def __init__(self, template_id: str, allowed_types: Any = ()) -> None:
            kinds = allowed_types if isinstance(allowed_types, Sequence) else [allowed_types]
            self.template_id = template_id
            self.io_type = ",".join(str(kind.io_type) for kind in kinds) or "*"

    class Input(Input):
        """Takes what its template allows."""

        def __init__(self, id: str, template: "MatchType.Template", *more: Any, **given: Any) -> None:
            super().__init__(id, *more, **given)
            self.template = template

        def get_io_type(self) -> str:
            """Return the types, with commas between them."""
            return self.template.io_type

    class Output(Output):
        """Gives what its template allows; ComfyUI's versions differ in which comes first, so either may."""

        def __init__(self, id: Any = None, template: Any = None, *more: Any, **given: Any) -> None:
            if isinstance(id, MatchType.Template):
                id, template = template, id
            super().__init__(id, *more, **given)
            self.io_type = template.io_type


PLAIN_TYPES: Mapping[str, str] = {
    "Image": "IMAGE",
    "Mask": "MASK",
    "Latent": "LATENT",
    "Conditioning": "CONDITIONING",
    "Sampler": "SAMPLER",
    "Sigmas": "SIGMAS",
    "Noise": "NOISE",
    "Guider": "GUIDER",
    "Clip": "CLIP",
    "ControlNet": "CONTROL_NET",
    "Vae": "VAE",
    "Model": "MODEL",
    "ClipVision": "CLIP_VISION",
    "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "StyleModel": "STYLE_MODEL",
    "Gligen": "GLIGEN",
    "UpscaleModel": "UPSCALE_MODEL",
    "Audio": "AUDIO",
    "Video": "VIDEO",
    "SVG": "SVG",
    "LoraModel": "LORA_MODEL",
    "Hooks": "HOOKS",
    "LatentOperation": "LATENT_OPERATION",
    "FlowControl": "FLOW_CONTROL",
    "Accumulation": "ACCUMULATION",
    "Photomaker": "PHOTOMAKER",
    "Mesh": "MESH",
    "BBOX": "BBOX",
    "SEGS": "SEGS",
    "Point": "POINT",
    "FaceAnalysis": "FACE_ANALYSIS",
    "Voxel": "VOXEL",
    "LossMap": "LOSS_MAP",
    "AudioEncoder": "AUDIO_ENCODER",
    "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT",
    "HookKeyframes": "HOOK_KEYFRAMES",
    "TimestepsRange": "TIMESTEPS_RANGE",
    "Load3DCamera": "LOAD3D_CAMERA",
    "WanCameraEmbedding": "WAN_CAMERA_EMBEDDING",
    "AnyType": "*",
}
"""Names in ``io`` of types that only links carry, and their sockets."""

WIDGET_TYPES: Mapping[str, str] = {"Boolean": "BOOLEAN", "Int": "INT", "Float": "FLOAT", "String": "STRING"}

TYPES: Mapping[str, type[ComfyType]] = {
    **{name: custom(socket, name=name) for name, socket in PLAIN_TYPES.items()},
    **{name: custom(socket, WidgetInput, name) for name, socket in WIDGET_TYPES.items()},
    "Combo": custom("COMBO", ComboInput, "Combo"),
    "MultiCombo": custom("COMBO", MultiComboInput, "MultiCombo"),
}
"""All of them by their names in ``io``."""
