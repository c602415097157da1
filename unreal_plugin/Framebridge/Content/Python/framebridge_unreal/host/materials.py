"""Our materials, written by script: one custom expression each, fed by what its inputs are called.

They are assets, made when first needed and made anew when the plugin's shaders have changed. Those that
belong to the scene undo the exposure of the eye, so that a picture is as bright as it came.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import unreal

from .._bridge.errors import BridgeError
from ..core import shader
from ..core.blank import blank_exr, blank_png
from .assets import blank, create, discard, exact_depth, exact_picture, find, save
from .level import FOLDER

Expression = unreal.MaterialExpression

MATERIALS = f"{FOLDER}/Materials"

VERSION_TAG = "Framebridge.Version"
"""What a material was made from: another, and it is made anew."""

_BLACK, _DEPTH = "T_Black", "T_NoDepth"

_SURFACE = {"shading_model": unreal.MaterialShadingModel.MSM_UNLIT}

_POST_PROCESS = {
    "material_domain": unreal.MaterialDomain.MD_POST_PROCESS,
    "blendable_location": unreal.BlendableLocation.BL_SCENE_COLOR_AFTER_TONEMAPPING,
}

_USAGES = (
    unreal.MaterialUsage.MATUSAGE_SKELETAL_MESH,
    unreal.MaterialUsage.MATUSAGE_SPLINE_MESH,
    unreal.MaterialUsage.MATUSAGE_INSTANCED_STATIC_MESHES,
    unreal.MaterialUsage.MATUSAGE_NANITE,
)


@dataclass(frozen=True)
class Master:
    """A material to be made.

    Args:
        name: Of the asset.
        body: HLSL; returns colour and cover.
        inputs: Of the body, see ``core.shader``.
        settings: Editor properties of the material.
        is_exposed: Whether its colour goes through the exposure of the eye, and so has to undo it.
        covers: Whether the cover is the material's opacity.
        is_matt: Whether it has to be told to reflect nothing.
        usages: What it is put on besides plain meshes.
    """

    name: str
    body: str
    inputs: tuple[str, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    is_exposed: bool = True
    covers: bool = True
    is_matt: bool = False
    usages: tuple[unreal.MaterialUsage, ...] = ()

    @property
    def version(self) -> str:
        """A number that changes with all that the material is made from."""
        return f"{zlib.crc32(repr((self.body, self.inputs, sorted(self.settings))).encode()):08x}"


PROJECTION = Master(
    "M_Projection",
    shader.projection_shader(),
    shader.inputs(),
    {**_SURFACE, "blend_mode": unreal.BlendMode.BLEND_TRANSLUCENT},
    usages=_USAGES,
)

PLATE = Master(
    "M_Plate",
    shader.thrown_shader(),
    shader.thrown_inputs(),
    {**_SURFACE, "two_sided": True},
    covers=False,
)

DECAL = Master(
    "M_Decal",
    shader.thrown_shader(),
    shader.thrown_inputs(),
    {
        "material_domain": unreal.MaterialDomain.MD_DEFERRED_DECAL,
        "blend_mode": unreal.BlendMode.BLEND_TRANSLUCENT,
    },
    is_matt=True,
)

BLEND = Master(
    "M_Blend",
    shader.blend_shader(),
    shader.blend_inputs(),
    _POST_PROCESS,
    is_exposed=False,
    covers=False,
)

STENCIL = Master(
    "M_Stencil",
    shader.stencil_shader(),
    shader.stencil_inputs(),
    _POST_PROCESS,
    is_exposed=False,
    covers=False,
)


DEPTH = Master(
    "M_Depth",
    f"return {shader.DEPTH_INPUT}.rrrr;",
    (shader.DEPTH_INPUT,),
    _POST_PROCESS,
    is_exposed=False,
    covers=False,
)


def stencil_material() -> unreal.Material:
    """Return the material that draws the custom stencils of what is seen."""
    return material(STENCIL)


def depth_material() -> unreal.Material:
    """Return the material that draws the distance along the view axis, centimetres."""
    return material(DEPTH)


def material(master: Master) -> unreal.Material:
    """Return a material, made if need be.

    Raises:
        BridgeError: ``content_unwritable``, ``material_failed``.
    """
    path = f"{MATERIALS}/{master.name}"
    library = unreal.EditorAssetLibrary
    there = find(path)
    if isinstance(there, unreal.Material) and library.get_metadata_tag(there, VERSION_TAG) == master.version:
        return there
    made = there if there is not None else create(path, unreal.Material, unreal.MaterialFactoryNew())
    if not isinstance(made, unreal.Material):
        raise _failed(master, "another asset has its name")
    try:
        _build(made, master)
        library.set_metadata_tag(made, VERSION_TAG, master.version)
        save(made)
    except BridgeError:
        if there is None:
            discard(path)
        raise
    return made


def _build(made: unreal.Material, master: Master) -> None:
    editing = unreal.MaterialEditingLibrary
    editing.delete_all_material_expressions(made)
    for name, value in master.settings.items():
        made.set_editor_property(name, value)
    graph = _Graph(made, master)
    custom = graph.custom()
    color = graph.mask(custom, "rgb")
    if master.is_exposed:
        color = graph.product(color, graph.add(unreal.MaterialExpressionEyeAdaptationInverse))
    graph.end(color, unreal.MaterialProperty.MP_EMISSIVE_COLOR)
    if master.covers:
        graph.end(graph.mask(custom, "a"), unreal.MaterialProperty.MP_OPACITY)
    if master.is_matt:
        black = graph.add(unreal.MaterialExpressionConstant3Vector)
        graph.end(black, unreal.MaterialProperty.MP_BASE_COLOR)
        graph.end(graph.add(unreal.MaterialExpressionConstant), unreal.MaterialProperty.MP_SPECULAR)
        rough = graph.add(unreal.MaterialExpressionConstant, r=1.0)
        graph.end(rough, unreal.MaterialProperty.MP_ROUGHNESS)
    for usage in master.usages:
        editing.set_material_usage(made, usage)
    editing.layout_material_expressions(made)
    editing.recompile_material(made)


class _Graph:
    """The expressions of a material that is being made."""

    def __init__(self, made: unreal.Material, master: Master) -> None:
        self._made, self._master = made, master

    def add(self, kind: type[Expression], **properties: object) -> Expression:
        """Add an expression."""
        expression = unreal.MaterialEditingLibrary.create_material_expression(self._made, kind)
        if expression is None:
            raise _failed(self._master, f"the editor made no {kind.__name__}")
        for name, value in properties.items():
            expression.set_editor_property(name, value)
        return expression

    def wire(self, source: Expression, target: Expression, entrance: str) -> None:
        """Feed an input from the first output of another expression."""
        if not unreal.MaterialEditingLibrary.connect_material_expressions(source, "", target, entrance):
            raise _failed(self._master, f"the input {entrance} was not connected")

    def end(self, source: Expression, what: unreal.MaterialProperty) -> None:
        """Feed the material itself."""
        if not unreal.MaterialEditingLibrary.connect_material_property(source, "", what):
            raise _failed(self._master, f"{what} was not connected")

    def mask(self, source: Expression, channels: str) -> Expression:
        """Take some channels of four."""
        chosen = {channel: channel in channels for channel in "rgba"}
        expression = self.add(unreal.MaterialExpressionComponentMask, **chosen)
        self.wire(source, expression, "")
        return expression

    def product(self, one: Expression, other: Expression) -> Expression:
        """Multiply."""
        expression = self.add(unreal.MaterialExpressionMultiply)
        self.wire(one, expression, "A")
        self.wire(other, expression, "B")
        return expression

    def custom(self) -> Expression:
        """Add the custom expression, with all that feeds it."""
        inputs = []
        for name in self._master.inputs:
            entrance = unreal.CustomInput()
            entrance.set_editor_property("input_name", name)
            inputs.append(entrance)
        expression = self.add(
            unreal.MaterialExpressionCustom,
            code=self._master.body,
            output_type=unreal.CustomMaterialOutputType.CMOT_FLOAT4,
            description="Framebridge",
            inputs=inputs,
        )
        for name in self._master.inputs:
            self.wire(self._source(name), expression, name)
        return expression

    def _source(self, name: str) -> Expression:
        """Add what feeds an input, by its name; a name that says nothing is that of a number."""
        stem, view = (
            name.rstrip("0123456789"),
            name.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
        )
        if stem == shader.NORMAL_INPUT:
            return self.add(unreal.MaterialExpressionVertexNormalWS)
        if stem == shader.WAY:
            return self._way(view)
        if stem in shader.VECTORS:
            return self.add(unreal.MaterialExpressionVectorParameter, parameter_name=name)
        if stem in shader.TEXTURES:
            return self._texture(name, is_depth=stem == "Depth")
        if stem == shader.SCREEN_INPUT:
            return self.add(unreal.MaterialExpressionScreenPosition)
        if stem == shader.SIZE_INPUT:
            return self.add(unreal.MaterialExpressionViewSize)
        if stem == shader.SCENE_INPUT:
            return self._scene(unreal.SceneTextureId.PPI_POST_PROCESS_INPUT0)
        if stem == shader.DEPTH_INPUT:
            return self._scene(unreal.SceneTextureId.PPI_SCENE_DEPTH)
        if stem == shader.CUSTOM_DEPTH_INPUT:
            return self._scene(unreal.SceneTextureId.PPI_CUSTOM_DEPTH)
        if stem == shader.STENCIL_INPUT:
            return self._scene(unreal.SceneTextureId.PPI_CUSTOM_STENCIL)
        return self.add(unreal.MaterialExpressionScalarParameter, parameter_name=name)

    def _way(self, view: str) -> Expression:
        """From the camera to the point: the difference of two large places, then in single precision."""
        place = self.add(unreal.MaterialExpressionVectorParameter, parameter_name=f"Location{view}")
        difference = self.add(unreal.MaterialExpressionSubtract)
        self.wire(self.add(unreal.MaterialExpressionWorldPosition), difference, "A")
        self.wire(place, difference, "B")
        short = self.add(unreal.MaterialExpressionTruncateLWC)
        self.wire(difference, short, "")
        return short

    def _scene(self, what: unreal.SceneTextureId) -> Expression:
        return self.add(unreal.MaterialExpressionSceneTexture, scene_texture_id=what)

    def _texture(self, name: str, *, is_depth: bool) -> Expression:
        types = unreal.MaterialSamplerType
        texture = no_depth() if is_depth else no_picture()
        return self.add(
            unreal.MaterialExpressionTextureObjectParameter,
            parameter_name=name,
            texture=texture,
            sampler_type=types.SAMPLERTYPE_LINEAR_COLOR if is_depth else types.SAMPLERTYPE_COLOR,
        )


def no_picture() -> unreal.Texture2D:
    """Return what a material shows before it has a picture.

    Raises:
        BridgeError: See ``import_texture``.
    """
    return blank(_BLACK, blank_png(), exact_picture())


def no_depth() -> unreal.Texture2D:
    """Return what a material compares with before it has a depth.

    Raises:
        BridgeError: See ``import_texture``.
    """
    return blank(_DEPTH, blank_exr(), exact_depth())


def _failed(master: Master, why: str) -> BridgeError:
    return BridgeError(
        f"the material {MATERIALS}/{master.name} could not be made: {why}",
        code="material_failed",
        hint=f"Delete {MATERIALS} in the content browser and try again; see the Output Log.",
    )
