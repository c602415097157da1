# SPDX-License-Identifier: GPL-3.0-or-later
"""Bake an object's views to a texture: for good, for other programs, and for surfaces that deform.

The object's surface is drawn over its UV map; each texel is then painted as the shader paints a pixel. The
scene's renderer and its settings have no part in it. Where no view sees the surface, the texture has the
object's own colour, and alpha 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import bpy
import numpy as np

from .._bridge.errors import Problem
from ..boot import start_gpu
from .colors import new_image, write_pixels
from .material import HELD, LINK, OURS, OWN, PICTURE, base_color, normal_matrix
from .projector import Projector, unit
from .record import RECORD, Record, current_record, read_record, recorded_objects, write_record
from .shown import show_baked
from .stack import ProjectionError, match_colors, remove_unused_views
from .texels import Surface, Texels, dilate, draw_texels, fill, read_surface, texels
from .uv import MOST_UV_MAPS, remove_uv, write_unwrapped_uv
from .view import projector_of

SIZES = (512, 1024, 2048, 4096)

_CHECK_SIZE = 256
_MOST_SHARED = 0.02
"""Of a UV map's texels: more than this that several faces share, and it is no map to bake to."""

_MOST_FLAT = 0.02
"""The same of faces that have no area there."""

_CLOSED = 2
"""Texels by which paint grows over what is bare, so that cracks at creases close."""

_MARGIN = 4
"""Texels by which an island grows with the colours of its border, before the gaps are filled roughly."""

_SIGN_SAMPLES = 50_000


@dataclass(frozen=True)
class BakeOptions:
    """How to bake.

    Args:
        size: Pixels a side, one of ``SIZES``.
        uv_map: ``ACTIVE`` is the object's active UV map, ``NEW`` one that is made for it, ``AUTO`` the active
            one if each face has a place of its own there.
        is_lit: Whether the scene lights the texture, as the colour of a surface; else it shines by itself and
            looks as the picture does.
    """

    size: int = 1024
    uv_map: str = "AUTO"
    is_lit: bool = False


@dataclass(frozen=True)
class Baked:
    """What was baked.

    Args:
        images: One an object, plain sRGB; alpha is how much of a texel was painted.
        objects: Those that show them now.
        warnings: What was left out, or is not as it should be, and why.
    """

    images: tuple[bpy.types.Image, ...]
    objects: tuple[bpy.types.Object, ...]
    warnings: tuple[Problem, ...]


def bake(objects: Iterable[bpy.types.Object], options: BakeOptions | None = None) -> Baked:
    """Bake the views of objects to textures, and let the objects show these.

    The views are kept: another one may be added, and all baked again, to the same image.

    Raises:
        ProjectionError: ``nothing_to_bake``, or ``bad_size``.
        CaptureError: ``gpu_unavailable``.
    """
    options = options or BakeOptions()
    if options.size not in SIZES:
        raise ProjectionError(
            f"a texture of {options.size} pixels a side cannot be baked",
            code="bad_size",
            hint=f"Choose one of {', '.join(map(str, SIZES))}.",
        )
    start_gpu()
    match_colors(bpy.context.scene)
    images, baked, warnings = [], [], []
    projectors: dict[bpy.types.NodeTree, Projector] = {}
    for item in objects:
        record = current_record(item)
        if record is None or not record.placed:
            continue
        if problem := _obstacle(item, record):
            warnings.append(problem)
            continue
        projectors |= {
            each.view: projector_of(each.view) for each in record.placed if each.view not in projectors
        }
        record, more = _bake_object(item, record, projectors, options)
        warnings += more
        if record:
            images.append(record.baked)
            baked.append(item)
    if not baked:
        raise ProjectionError(
            warnings[0].message if warnings else "no picture was projected onto the objects",
            code="nothing_to_bake",
            hint=warnings[0].hint if warnings else "Select objects that a picture was projected onto.",
        )
    return Baked(tuple(images), tuple(baked), tuple(warnings))


def keep_bake(objects: Iterable[bpy.types.Object]) -> None:
    """Make baked textures the objects' own for good; their views and former materials are forgotten."""
    objects = list(objects)
    others = [item for item in recorded_objects() if item not in objects]
    needed = {slot.material for item in others for slot in item.material_slots}
    for item in objects:
        record = read_record(item)
        if record is None or not record.shows_bake:
            continue
        kept: dict[bpy.types.Image, bpy.types.Material] = {}
        for slot in item.material_slots:
            if slot.material and PICTURE in slot.material:
                own = slot.material.copy() if slot.material in needed else slot.material
                slot.material = kept.setdefault(slot.material[PICTURE], own)
        for material in kept.values():
            for name in (OURS, OWN, LINK, HELD):
                material.pop(name, None)
        del item[RECORD]
        for each in record.placed:
            remove_uv(item.data, each.uv_map)
        if record.baked_uv in item.data.uv_layers and not item.data.library:
            item.data.uv_layers.active = item.data.uv_layers[record.baked_uv]
    remove_unused_views()


def _obstacle(item: bpy.types.Object, record: Record) -> Problem | None:
    if item.type != "MESH":
        return _problem(item, "is not a mesh", "Convert it: Object > Convert > Mesh.")
    if record.is_in_world:
        hint = "Make the instances real: Object > Apply > Make Instances Real; then project anew."
        return _problem(item, "is shown by instances, which share one texture", hint)
    if item.data.is_editmode:
        return _problem(item, "is in Edit Mode", "Leave Edit Mode, and bake again.")
    return None


def _problem(item: bpy.types.Object, what: str, hint: str) -> Problem:
    return Problem("not_baked", f'"{item.name}" {what}', hint, is_warning=True)


def _bake_object(
    item: bpy.types.Object,
    record: Record,
    projectors: dict[bpy.types.NodeTree, Projector],
    options: BakeOptions,
) -> tuple[Record | None, list[Problem]]:
    uv_map = record.active_uv if record.active_uv in item.data.uv_layers else ""
    is_wanted = options.uv_map == "ACTIVE" or (options.uv_map == "AUTO" and _is_usable(item.data, uv_map))
    if not uv_map or not is_wanted:
        uv_map, record = _unwrapped(item, record)
        if not uv_map:
            hint = "Remove one of its UV maps, or bake to the active one."
            return None, [_problem(item, "has no room for another UV map", hint)]
    surface = _evaluated_surface(item, uv_map)
    if surface is None:
        hint = "Apply its modifiers: Object > Convert > Mesh; then project anew."
        return None, [_problem(item, "loses its UV map in its modifiers", hint)]
    drawn = draw_texels(surface, options.size)
    pixels = _painted(item, record, projectors, surface, drawn, options.size)
    image = record.baked
    if image:
        write_pixels(image, pixels)
    else:
        image = new_image(f"{item.name} Framebridge", pixels)
    record = replace(record, baked=image, baked_uv=uv_map, shows_bake=True, is_lit=options.is_lit)
    write_record(item, record)
    show_baked(item, record, bpy.context.scene)
    return record, _shared_warning(item, drawn)


def _shared_warning(item: bpy.types.Object, drawn: list[np.ndarray]) -> list[Problem]:
    shared = (drawn[1][:, 3].sum() if len(drawn) > 1 else 0.0) / max(1.0, float(drawn[0][:, 3].sum()))
    if shared <= _MOST_SHARED:
        return []
    message = f'several places of "{item.name}" share {shared:.0%} of its texture'
    hint = "Apply its Mirror and Array modifiers, and bake to a new UV map, if they should differ."
    return [Problem("shared_texture", message, hint, is_warning=True)]


def _is_usable(mesh: bpy.types.Mesh, uv_map: str) -> bool:
    """Tell whether each face of a mesh, without modifiers, has a place of its own on the texture."""
    surface = read_surface(mesh, uv_map) if uv_map else None
    if surface is None or surface.places.min() < -1e-3 or surface.places.max() > 1.001:
        return False
    sides, edges = (
        surface.points[:, 1:] - surface.points[:, :1],
        surface.places[:, 1:] - surface.places[:, :1],
    )
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    flat = np.abs(edges[:, 0, 0] * edges[:, 1, 1] - edges[:, 0, 1] * edges[:, 1, 0]) < 1e-9
    if areas[flat].sum() > _MOST_FLAT * areas.sum():
        return False
    drawn = draw_texels(surface, _CHECK_SIZE)
    return len(drawn) == 1 or drawn[1][:, 3].sum() <= _MOST_SHARED * drawn[0][:, 3].sum()


def _unwrapped(item: bpy.types.Object, record: Record) -> tuple[str, Record]:
    """Return the UV map that was made to bake to, which is made if need be; the projected maps give way."""
    mesh = item.data
    if record.bake_uv and record.bake_uv in mesh.uv_layers:
        return record.bake_uv, record
    if mesh.library:
        return "", record
    for each in record.placed:
        if len(mesh.uv_layers) >= MOST_UV_MAPS:
            remove_uv(mesh, each.uv_map)
    if len(mesh.uv_layers) >= MOST_UV_MAPS:
        return "", record
    record = replace(record, bake_uv=write_unwrapped_uv(mesh))
    write_record(item, record)
    return record.bake_uv, record


def _evaluated_surface(item: bpy.types.Object, uv_map: str) -> Surface | None:
    bpy.context.view_layer.update()
    evaluated = item.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = evaluated.to_mesh()
    try:
        return read_surface(mesh, uv_map)
    finally:
        evaluated.to_mesh_clear()


def _painted(
    item: bpy.types.Object,
    record: Record,
    projectors: dict[bpy.types.NodeTree, Projector],
    surface: Surface,
    drawn: list[np.ndarray],
    size: int,
) -> np.ndarray:
    """Return the texture, float32 (size, size, 4), rows upwards."""
    bases = [_encoded(base_color(slot.shown)) for slot in record.slots] or [_encoded(base_color(None))]
    views = [(projectors[each.view], each.matrix) for each in record.placed]
    signs = [_sign(view, matrix, surface, drawn[0]) for view, matrix in views]
    pixels = np.zeros((size * size, 4), np.float32)
    pixels[:, :3] = bases[0]
    best = np.zeros(size * size, np.float32)
    for layer in drawn:
        for some in texels(surface, layer):
            total = np.zeros((len(some.index), 3), np.float32)
            weights, cover = np.zeros((2, len(some.index)), np.float32)
            for (view, matrix), sign in zip(views, signs, strict=True):
                color, weight, covered = _paint(view, matrix, some, sign)
                total += color * weight[:, None]
                weights += weight
                np.maximum(cover, covered, out=cover)
            base = np.array(bases)[np.minimum(some.slots, len(bases) - 1)]
            mean = total / np.maximum(weights, np.float32(1e-8))[:, None]
            # Where places share a texel, the one that is seen best decides; a mean would show both.
            is_best = (weights > best[some.index]) | (layer is drawn[0])
            at = some.index[is_best]
            best[at] = weights[is_best]
            pixels[at, :3] = (base + (mean - base) * cover[:, None])[is_best]
            pixels[at, 3] = cover[is_best]
    pixels = pixels.reshape(size, size, 4)
    dilate(pixels, pixels[..., 3] > 0.5, _CLOSED)
    known = drawn[0][:, 3].reshape(size, size) > 0.0
    dilate(pixels, known, _MARGIN)
    fill(pixels, known)
    return pixels


def _paint(
    view: Projector, matrix: np.ndarray, some: Texels, sign: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix, turned = matrix.astype(np.float32), (normal_matrix(matrix).T * sign).astype(np.float32)
    points = some.points @ matrix[:3, :3].T + matrix[:3, 3]
    return view.paint(points, unit(some.normals @ turned), unit(some.faces @ turned))


def _sign(view: Projector, matrix: np.ndarray, surface: Surface, drawn: np.ndarray) -> float:
    """Return −1 if the faces that this view sees look away from it, as those of an inside-out mesh do."""
    chosen = np.zeros_like(drawn)
    covered = np.flatnonzero(drawn[:, 3])
    covered = covered[:: max(1, len(covered) // _SIGN_SAMPLES)]
    chosen[covered] = drawn[covered]
    sums = {
        sign: sum(_paint(view, matrix, some, sign)[2].sum() for some in texels(surface, chosen))
        for sign in (1.0, -1.0)
    }
    return -1.0 if sums[-1.0] > sums[1.0] else 1.0


def _encoded(color: tuple[float, float, float]) -> np.ndarray:
    linear = np.clip(np.array(color, np.float32), 0.0, 1.0)
    curve = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve).astype(np.float32)
