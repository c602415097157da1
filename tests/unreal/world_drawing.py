"""Scene captures and render targets: what is drawn is a ray-cast level, what is written are real files.

Traps of the engine that are kept: an exported target is OpenEXR (half, ZIP) where its format is RGBA16F and
PNG otherwise, whatever the file is called; a capture component that is in no level draws black; the first
draw after a spawn is too dark, and grey until streaming was waited for; custom stencil shines through what
is in front; a target without sRGB holds linear colour.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray
from PIL import Image

from .raycast import BOX, PLANE, SKY_CM, SPHERE, Layers, Lens, Shape, draw
from .world_maths import angles, parts

if TYPE_CHECKING:
    from .world import World

Floats = NDArray[np.float64]

KINDS = {"Plane": PLANE, "Sphere": SPHERE, "Cube": BOX}
LARGEST_SIDE = 16384

SWITCH = "r.CustomDepth"
"""The console variable that is 3 where custom depth holds a stencil; 1 in a new project."""


class Drawing:
    """Behaviour of scene captures and of RenderingLibrary."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.targets: list[Any] = []
        """Render targets that were made and not released."""

        self.exported: list[Path] = []
        world.scripts.script("SceneCaptureComponent2D.capture_scene", self._capture)
        world.scripts.script("SceneCaptureComponent2D.add_or_update_blendable", self._blend)
        world.scripts.script("AutomationLibrary.finish_loading_before_screenshot", self._finish_loading)
        world.scripts.behave("RenderingLibrary", TargetCalls(world, self))
        self.is_loaded = False

    def lens(self, component: Any, width: int, height: int) -> Lens:
        """Return where a capture or camera component looks from."""
        root = component._outer._values["root_component"]._values
        mode_name = "projection_type" if hasattr(component, "projection_type") else "projection_mode"
        is_flat = getattr(component, mode_name).name == "ORTHOGRAPHIC"
        angle = component.fov_angle if hasattr(component, "fov_angle") else component.field_of_view
        return Lens(
            parts(root["relative_location"]),
            angles(root["relative_rotation"]),
            width,
            height,
            angle,
            component.ortho_width if is_flat else 0.0,
        )

    def shapes(self, hidden: Any = (), only: Any = None, in_game: bool = False) -> list[Shape]:
        """Return what of the level is to be seen."""
        found = []
        for actor in self._world.actors:
            is_hidden = actor._values.get("hidden", False) if in_game else actor._is_hidden_ed
            if is_hidden or actor in hidden or (only is not None and actor not in only):
                continue
            found += [shape for component in actor._components if (shape := self._shape(component))]
        return found

    def layers(self, component: Any, width: int, height: int) -> Layers:
        """Draw what a capture component sees."""
        only = None
        if component.primitive_render_mode.name == "PRM_USE_SHOW_ONLY_LIST":
            only = list(component.show_only_actors)
        lens = self.lens(component, width, height)
        return draw(lens, self.shapes(list(component.hidden_actors), only))

    def _shape(self, component: Any) -> Shape | None:
        mesh = component._values.get("static_mesh")
        kind = KINDS.get(mesh.get_name()) if mesh is not None else None
        if kind is None or not component._values.get("visible", True):
            return None
        root = component._outer._values["root_component"]._values
        has_stencils = self._world.scripts.answer("SystemLibrary.get_console_variable_int_value")(SWITCH) == 3
        is_marked = has_stencils and component._values.get("render_custom_depth", False)
        return Shape(
            kind,
            parts(root["relative_location"]),
            angles(root["relative_rotation"]),
            parts(root["relative_scale3d"]),
            component._color,
            component._is_checkered,
            component._values.get("custom_depth_stencil_value", 0) if is_marked else 0,
        )

    def _finish_loading(self) -> None:
        self.is_loaded = True

    def _blend(self, component: Any, material: Any, weight: float = 1.0) -> None:
        settings = component.get_editor_property("post_process_settings")
        blendables = settings.get_editor_property("weighted_blendables").array
        blendables.append(self._world.unreal.WeightedBlendable(weight, material))

    def _capture(self, component: Any) -> None:
        target = component.texture_target
        if target is None:
            return
        width, height = target.size_x, target.size_y
        if component._outer not in self._world.actors:
            target._image = np.zeros((height, width, 4))
            return
        component._draws += 1
        layers = self.layers(component, width, height)
        image = self._seen(component, layers)
        target._image = np.concatenate([image, np.ones((height, width, 1))], axis=-1)
        target._draws = component._draws

    def _seen(self, component: Any, layers: Layers) -> Floats:
        source = component.capture_source.name
        alone = {
            "SCS_SCENE_DEPTH": lambda: _flat(layers.depth),
            "SCS_NORMAL": lambda: layers.normal,
            "SCS_BASE_COLOR": lambda: layers.base_color,
        }
        if source in alone:
            return alone[source]()
        if material := self._material_of(component):
            return self._through(material, layers)
        color = layers.color if component._draws > 1 else layers.color * 0.5
        is_sky = layers.depth >= SKY_CM
        return color if self.is_loaded else np.where(is_sky[..., None], color, 0.5)

    def _material_of(self, component: Any) -> Any:
        settings = component.get_editor_property("post_process_settings")
        found = settings.get_editor_property("weighted_blendables").array
        return next((one.object for one in found if one.weight > 0 and one.object is not None), None)

    def _through(self, material: Any, layers: Layers) -> Floats:
        """Return what a post-process material shows, by the scene textures that its colour comes from."""
        used = self._world.assets.materials.scene_textures(material)
        if "PPI_CUSTOM_STENCIL" in used:
            is_masked = {"PPI_CUSTOM_DEPTH", "PPI_SCENE_DEPTH"} <= used
            return _flat(layers.stencil_in_front if is_masked else layers.stencil)
        if "PPI_SCENE_DEPTH" in used:
            return _flat(layers.depth)
        return layers.color


class TargetCalls:
    """RenderingLibrary."""

    def __init__(self, world: World, drawing: Drawing) -> None:
        self._world, self._drawing = world, drawing

    def create_render_target2d(
        self, context: Any, width: int, height: int, form: Any, clear_color: Any = None
    ) -> Any:
        is_refused = self._world.faults.refuses_render_targets or context is None
        if is_refused or not 0 < min(width, height) <= max(width, height) <= LARGEST_SIDE:
            return None
        target = self._world.unreal.TextureRenderTarget2D()
        target._values |= {"size_x": width, "size_y": height, "render_target_format": form}
        target._image = np.zeros((height, width, 4))
        self._drawing.targets.append(target)
        return target

    def release_render_target2d(self, target: Any) -> None:
        if target in self._drawing.targets:
            self._drawing.targets.remove(target)

    def export_render_target(self, context: Any, target: Any, folder: str, name: str) -> None:
        faults = self._world.faults
        if faults.exports_nothing or context is None or target is None:
            return
        file = Path(folder) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        form = target.render_target_format.name
        if form == "RTF_RGBA16F" and not faults.exports_png_always:
            write_exr(file, target._image, faults.exports_channels)
        else:
            write_png(file, target._image, is_srgb=form == "RTF_RGBA8_SRGB")
        self._drawing.exported.append(file)

    def import_file_as_texture2d(self, context: Any, filename: str) -> Any:
        try:
            with Image.open(filename) as picture:
                pixels = np.asarray(picture.convert("RGBA"))
        except OSError:
            return None
        texture = self._world.unreal.Texture2D()
        texture._pixels = pixels
        return texture


def write_exr(file: Path, image: Floats, channels: tuple[str, ...] = ("R", "G", "B", "A")) -> None:
    """Write half floats, as the engine does: one part, scanlines, ZIP."""
    half = np.clip(image, -SKY_CM, SKY_CM).astype(np.float16)
    planes = {name: np.ascontiguousarray(half[..., index % 4]) for index, name in enumerate(channels)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    written = file.with_name(f"{file.name}.exr")  # the library goes by the name, the engine does not
    OpenEXR.File(header, planes).write(str(written))
    written.rename(file)


def write_png(file: Path, image: Floats, is_srgb: bool) -> None:
    """Write 8 bits; a target without sRGB holds what is linear."""
    flat = np.clip(image, 0, 1)
    if is_srgb:
        color = np.where(
            flat[..., :3] <= 0.0031308, flat[..., :3] * 12.92, 1.055 * flat[..., :3] ** (1 / 2.4) - 0.055
        )
        flat = np.concatenate([color, flat[..., 3:]], axis=-1)
    Image.fromarray((flat * 255 + 0.5).astype(np.uint8), "RGBA").save(file, format="PNG")


def _flat(plane: Floats) -> Floats:
    return np.repeat(plane[..., None], 3, axis=-1)
