"""Draw a view into files: with an actor and render targets that are gone again afterwards, whatever happens.

Facts that no signature shows, each met by others: an exported render target is OpenEXR where its format is
RGBA16F and PNG otherwise, whatever the file is called; a capture component that is in no world draws black;
the first draw after a spawn lacks history and streamed textures.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import unreal

from .._bridge.errors import BridgeError
from ..core.axes import View
from .level import destroy, open_world, our_actors, selection_kept, spawn

WARM_UP, WARM_UP_LIVE = 16, 2
"""Draws before the one that counts: exposure, global illumination and temporal history settle."""

ADAPTS_AT_ONCE = 1000.0
"""F-stops a second, so that exposure has settled after the warm-up and owes nothing to the picture before."""

PNG, EXR = b"\x89PNG\r\n\x1a\n", b"v/1\x01"

_CLEAN = ("vignette_intensity", "film_grain_intensity", "motion_blur_amount", "scene_fringe_intensity")
"""What a lens adds and a diffusion model had better not see."""

_REFUSED_HINT = "Choose a smaller size, update the graphics driver, or restart the editor."


class Drawing:
    """A view that is being drawn; see ``drawing``."""

    def __init__(self, view: View, component: unreal.SceneCaptureComponent2D, folder: Path) -> None:
        self._view, self._component, self._folder = view, component, folder
        self._world = open_world()

    def draw(
        self,
        source: unreal.SceneCaptureSource,
        form: unreal.TextureRenderTargetFormat,
        warm_up: int = 0,
        material: unreal.MaterialInterface | None = None,
    ) -> bytes:
        """Draw once, and return the file that the engine wrote.

        Args:
            source: What is drawn.
            form: RGBA16F for OpenEXR, anything else for PNG.
            warm_up: Draws before the one that counts.
            material: A post-process material whose picture is wanted instead.

        Raises:
            BridgeError: ``capture_failed``.
        """
        target = unreal.RenderingLibrary.create_render_target2d(
            self._world, self._view.width, self._view.height, form
        )
        if target is None:
            raise _failed("the graphics driver gave no render target")
        try:
            self._component.set_editor_property("capture_source", source)
            self._component.set_editor_property("texture_target", target)
            self._component.set_editor_property("post_process_settings", _look(self._view, material))
            for _ in range(warm_up + 1):
                self._component.capture_scene()
            return self._exported(target, form)
        finally:
            self._component.set_editor_property("texture_target", None)
            unreal.RenderingLibrary.release_render_target2d(target)

    def _exported(
        self, target: unreal.TextureRenderTarget2D, form: unreal.TextureRenderTargetFormat
    ) -> bytes:
        name = secrets.token_hex(8)
        file = self._folder / name
        try:
            unreal.RenderingLibrary.export_render_target(self._world, target, str(self._folder), name)
            data = file.read_bytes()
        except OSError as error:
            raise _failed("the engine wrote no picture") from error
        finally:
            file.unlink(missing_ok=True)
        wanted = EXR if form == unreal.TextureRenderTargetFormat.RTF_RGBA16F else PNG
        if not data.startswith(wanted):
            raise _failed("the engine wrote a picture of another kind")
        return data


@contextmanager
def drawing(view: View, folder: Path, *, is_live: bool = False) -> Iterator[Drawing]:
    """Prepare to draw a view, and tidy up.

    Args:
        view: What to look from.
        folder: For files that are gone again afterwards; made if need be.
        is_live: Whether to take what has been streamed so far.

    Raises:
        BridgeError: ``no_level``, ``capture_failed``, ``spawn_failed``.
    """
    open_world()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BridgeError(
            f"{folder} cannot be written: {error.strerror or error}",
            code="capture_failed",
            hint="Make the project's Saved folder writable.",
        ) from error
    with ExitStack() as undo:
        # Placing and deleting actors are steps of undo by themselves: they go with this one, which is none.
        transaction = undo.enter_context(unreal.ScopedEditorTransaction("Framebridge Capture"))
        undo.callback(transaction.cancel)
        undo.enter_context(selection_kept())
        undo.enter_context(_hidden(our_actors()))
        actor = spawn(unreal.SceneCapture2D, _placed(view), "Capture", transient=True)
        undo.callback(destroy, [actor])
        assert isinstance(actor, unreal.SceneCapture2D)
        component = actor.capture_component2d
        _prepare(component, view)
        if not is_live:
            unreal.AutomationLibrary.finish_loading_before_screenshot()
        yield Drawing(view, component, folder)


def placed(location: Sequence[float], rotation: Sequence[float], scale: Sequence[float]) -> unreal.Transform:
    """Return a transform.

    Args:
        location: Centimetres.
        rotation: Roll, pitch and yaw, degrees.
        scale: Along each axis.
    """
    roll, pitch, yaw = rotation
    return unreal.Transform(unreal.Vector(*location), unreal.Rotator(roll, pitch, yaw), unreal.Vector(*scale))


def _placed(view: View) -> unreal.Transform:
    return placed(view.location, view.rotation, (1.0, 1.0, 1.0))


def _prepare(component: unreal.SceneCaptureComponent2D, view: View) -> None:
    component.set_editor_property("capture_every_frame", False)
    component.set_editor_property("capture_on_movement", False)
    component.set_editor_property("always_persist_rendering_state", True)
    if view.is_perspective:
        component.set_editor_property("fov_angle", view.field_of_view)
    else:
        component.set_editor_property("projection_type", unreal.CameraProjectionMode.ORTHOGRAPHIC)
        component.set_editor_property("ortho_width", view.ortho_width)


def _look(view: View, material: unreal.MaterialInterface | None) -> unreal.PostProcessSettings:
    """Return how the picture is exposed, without what a lens adds."""
    look = unreal.PostProcessSettings()
    for name in _CLEAN:
        look.set_editor_property(f"override_{name}", True)
        look.set_editor_property(name, 0.0)
    exposure: dict[str, object] = {
        "auto_exposure_speed_up": ADAPTS_AT_ONCE,
        "auto_exposure_speed_down": ADAPTS_AT_ONCE,
    }
    if view.exposure is not None:
        exposure = {
            "auto_exposure_min_brightness": view.exposure,
            "auto_exposure_max_brightness": view.exposure,
            "auto_exposure_method": unreal.AutoExposureMethod.AEM_HISTOGRAM,
            "auto_exposure_bias": 0.0,
        }
    for name, value in exposure.items():
        look.set_editor_property(f"override_{name}", True)
        look.set_editor_property(name, value)
    if material is not None:
        blendable = unreal.WeightedBlendable(weight=1.0, object=material)
        look.set_editor_property("weighted_blendables", unreal.WeightedBlendables(array=[blendable]))
    return look


@contextmanager
def _hidden(found: Sequence[unreal.Actor]) -> Iterator[None]:
    """Draw without what we have put into the level: a plate or a layer must not be painted again."""
    with ExitStack() as undo:
        for actor in found:
            if isinstance(actor, unreal.PostProcessVolume):
                undo.callback(actor.set_editor_property, "enabled", bool(actor.enabled))
                actor.set_editor_property("enabled", False)
            for component in actor.get_components_by_class(unreal.SceneComponent):
                if isinstance(component, unreal.SceneComponent) and component.is_visible():
                    undo.callback(component.set_visibility, True)
                    component.set_visibility(False)
        yield


def _failed(what: str) -> BridgeError:
    return BridgeError(f"the level could not be captured: {what}", code="capture_failed", hint=_REFUSED_HINT)
