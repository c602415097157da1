"""Where a capture looks from: the level viewport, a camera actor, or the camera of Sequencer's cut."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

import unreal

from .._bridge.errors import BridgeError
from .._bridge.host.settings import MAX_SIDE, MIN_SIDE, STEP
from ..core.axes import View
from ..core.editor import CAMERA, CAMERA_CUT, Source
from .level import actors, labelled, level_path, open_world, service

WIDE = 16 / 9
"""Of a viewport that does not tell its own proportions."""

LEAST_ORTHO_WIDTH = 1.0


LISTED_S = 2.0
"""How long a list of cameras is good for: a large level takes long to look through."""

_listed: dict[str, tuple[float, Sequence[unreal.CameraActor]]] = {}
"""The cameras of the level that is open, and until when."""


def cameras() -> Sequence[unreal.CameraActor]:
    """Return the level's camera actors, sorted by label."""
    level, now = level_path(), time.monotonic()
    until, known = _listed.get(level, (0.0, ()))
    if now > until or not all(unreal.SystemLibrary.is_valid(camera) for camera in known):
        found = [actor for actor in actors() if isinstance(actor, unreal.CameraActor)]
        known = sorted(found, key=lambda camera: str(camera.get_actor_label()))
        _listed.clear()
        _listed[level] = now + LISTED_S, known
    return known


def view_from(source: Source) -> View:
    """Return where a capture looks from.

    Raises:
        BridgeError: ``no_level``, ``no_viewport``, ``no_camera`` or ``no_sequence``.
    """
    open_world()
    if source.kind == CAMERA:
        view, aspect = _through(_chosen_camera(source.camera).camera_component)
    elif source.kind == CAMERA_CUT:
        view, aspect = _through(_cut_camera())
    else:
        view, aspect = _viewport(source.field_of_view)
    width, height = _size(source, aspect)
    return replace(view, width=width, height=height, exposure=source.exposure)


def _viewport(field_of_view: float) -> tuple[View, float]:
    editor = service(unreal.UnrealEditorSubsystem)
    seen = editor.get_level_viewport_camera_info()
    if seen is None:
        raise BridgeError(
            "there is no level viewport to look through",
            code="no_viewport",
            hint="Open one (Window ▸ Viewports), or capture from a camera.",
        )
    location, rotation = seen
    angle = _viewport_angle(field_of_view)
    return _view(location, rotation, field_of_view=angle), _viewport_aspect(editor)


def _viewport_angle(otherwise: float) -> float:
    """Return the viewport's field of view, by the first way that this engine has."""
    level_editor = service(unreal.LevelEditorSubsystem)
    key = level_editor.get_active_viewport_config_key()
    tell = getattr(level_editor, "get_level_viewport_fov", None)  # UE 5.8
    if callable(tell):
        angle = tell(key)
        if isinstance(angle, float) and 0.0 < angle < 180.0:
            return angle
    pilot = level_editor.get_pilot_level_actor(key)
    if isinstance(pilot, unreal.CameraActor):
        return float(pilot.camera_component.field_of_view)
    return otherwise


def _viewport_aspect(editor: unreal.UnrealEditorSubsystem) -> float:
    tell = getattr(editor, "get_level_viewport_size", None)  # UE 5.8
    size = tell() if callable(tell) else None
    if isinstance(size, unreal.IntPoint) and size.x > 0 and size.y > 0:
        return size.x / size.y
    return WIDE


def _chosen_camera(label: str) -> unreal.CameraActor:
    found = cameras()
    camera = labelled(label, found) if label else next(iter(found), None)
    if not isinstance(camera, unreal.CameraActor):
        missing = f'there is no camera "{label}" in the level' if label else "there is no camera in the level"
        raise BridgeError(missing, code="no_camera", hint="Choose another camera, or capture the viewport.")
    return camera


def _cut_camera() -> unreal.CameraComponent:
    """Return the camera of the cut at the playhead of the sequence that is open."""
    library = unreal.LevelSequenceEditorBlueprintLibrary
    sequence = library.get_current_level_sequence()
    if sequence is None:
        raise BridgeError(
            "no level sequence is open", code="no_sequence", hint="Open one in Sequencer, or choose a camera."
        )
    camera = camera_at(sequence, int(library.get_current_time()))
    if camera is None:
        raise BridgeError(
            "there is no camera cut at the playhead",
            code="no_camera",
            hint="Add a Camera Cut track, or move the playhead into one of its sections.",
        )
    return camera


def camera_at(sequence: unreal.LevelSequence, frame: int) -> unreal.CameraComponent | None:
    """Return the camera that a sequence cuts to, as it is now; ``None`` where it cuts to none."""
    library = unreal.LevelSequenceEditorBlueprintLibrary
    for track in unreal.MovieSceneSequenceExtensions.find_tracks_by_type(
        sequence, unreal.MovieSceneCameraCutTrack
    ):
        for section in unreal.MovieSceneTrackExtensions.get_sections(track):
            if not isinstance(section, unreal.MovieSceneCameraCutSection) or not _spans(section, frame):
                continue
            for found in library.get_bound_objects(section.get_camera_binding_id()):
                if isinstance(found, unreal.CameraActor):
                    return found.camera_component
                if isinstance(found, unreal.CameraComponent):
                    return found
    return None


def _spans(section: unreal.MovieSceneSection, frame: int) -> bool:
    extensions = unreal.MovieSceneSectionExtensions
    begins = not extensions.has_start_frame(section) or extensions.get_start_frame(section) <= frame
    return begins and (not extensions.has_end_frame(section) or frame < extensions.get_end_frame(section))


def _through(camera: unreal.CameraComponent) -> tuple[View, float]:
    location, rotation = camera.get_world_location(), camera.get_world_rotation()
    if camera.projection_mode == unreal.CameraProjectionMode.ORTHOGRAPHIC:
        width = max(float(camera.ortho_width), LEAST_ORTHO_WIDTH)
        view = _view(location, rotation, field_of_view=0.0, ortho_width=width)
    else:
        view = _view(location, rotation, field_of_view=float(camera.field_of_view))
    return view, float(camera.aspect_ratio) or WIDE


def view_through(camera: unreal.CameraComponent, width: int, height: int) -> View:
    """Return what a camera sees in a picture of this size."""
    return replace(_through(camera)[0], width=width, height=height)


def _view(
    location: unreal.Vector, rotation: unreal.Rotator, *, field_of_view: float, ortho_width: float = 0.0
) -> View:
    return View(
        (location.x, location.y, location.z),
        (rotation.roll, rotation.pitch, rotation.yaw),
        width=1,
        height=1,
        field_of_view=field_of_view,
        ortho_width=ortho_width,
    )


def _size(source: Source, aspect: float) -> tuple[int, int]:
    if source.size is not None:
        return source.size
    longest = source.longest_side
    width, height = (longest, longest / aspect) if aspect >= 1 else (longest * aspect, longest)
    return _side(width), _side(height)


def _side(pixels: float) -> int:
    return min(max(math.floor(pixels / STEP + 0.5) * STEP, MIN_SIDE), MAX_SIDE)
