"""Projection against computations of its own, and its shader against it, run as GLSL."""

import math
from typing import Any

import numpy as np
import pytest

from tests.unreal.glsl import Texture, evaluate, software_context
from tests.unreal.staged import import_core

SKY = 65504.0

VIEWS = {
    "level": {"location": (-400.0, 30.0, 120.0), "rotation": (0.0, 0.0, 0.0), "field_of_view": 90.0},
    "rolled": {"location": (-500.0, -200.0, 260.0), "rotation": (25.0, -18.0, 21.0), "field_of_view": 55.0},
    "behind": {"location": (900.0, 350.0, 300.0), "rotation": (-40.0, -14.0, 205.0), "field_of_view": 70.0},
    "ortho": {
        "location": (-600.0, 0.0, 400.0),
        "rotation": (10.0, -30.0, 5.0),
        "field_of_view": 0.0,
        "ortho_width": 900.0,
    },
}

SIZES = {"level": (288, 192), "rolled": (240, 360), "behind": (288, 288), "ortho": (360, 216)}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return import_core(tmp_path_factory.mktemp("plugin"))


def view_of(core: Any, name: str) -> Any:
    width, height = SIZES[name]
    return core("core.axes").View(width=width, height=height, **VIEWS[name])


def turning(rotation: tuple[float, float, float]) -> np.ndarray:
    """The camera's axes as columns, as rotations one after the other: yaw, then pitch, then roll.

    Yaw turns X towards Y, pitch X towards Z, roll Z towards Y.
    """
    roll, pitch, yaw = np.radians(rotation)
    cos, sin = math.cos, math.sin
    turned = np.array([[cos(yaw), -sin(yaw), 0], [sin(yaw), cos(yaw), 0], [0, 0, 1]])
    lifted = np.array([[cos(pitch), 0, -sin(pitch)], [0, 1, 0], [sin(pitch), 0, cos(pitch)]])
    rolled = np.array([[1, 0, 0], [0, cos(roll), sin(roll)], [0, -sin(roll), cos(roll)]])
    return turned @ lifted @ rolled


def rays(view: Any, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rays of places in the picture (pixels) begin, and where they go with depth 1."""
    axes = turning(view.rotation)
    x, y = columns - view.width / 2, view.height / 2 - rows
    if view.ortho_width:
        step = view.ortho_width / view.width
        begin = np.array(view.location) + step * (x[..., None] * axes[:, 1] + y[..., None] * axes[:, 2])
        return begin, np.broadcast_to(axes[:, 0], begin.shape)
    step = 2 * math.tan(math.radians(view.field_of_view) / 2) / view.width
    way = axes[:, 0] + step * (x[..., None] * axes[:, 1] + y[..., None] * axes[:, 2])
    return np.broadcast_to(np.array(view.location), way.shape), way


BALL, RADIUS = np.array((100.0, 40.0, 80.0)), 70.0


def hit(begin: np.ndarray, way: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth along rays to a floor and a ball upon it, ``SKY`` where there is nothing, and the normals."""
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = -begin[..., 2] / way[..., 2]
        floor = np.where((floor > 0) & (floor < 3000.0), floor, SKY)
        square, half = (way**2).sum(-1), (way * (begin - BALL)).sum(-1)
        inside = half**2 - square * (((begin - BALL) ** 2).sum(-1) - RADIUS**2)
        ball = np.where(inside > 0, (-half - np.sqrt(np.maximum(inside, 0))) / square, SKY)
    ball = np.where(ball > 0, ball, SKY)
    depth = np.minimum(floor, ball)
    normal = np.where(
        (ball < floor)[..., None], (begin + way * ball[..., None] - BALL) / RADIUS, np.array((0.0, 0.0, 1.0))
    )
    return depth, normal


def depth_map(view: Any) -> np.ndarray:
    """What the view captures, in half precision as the engine's files have it."""
    rows, columns = np.mgrid[: view.height, : view.width] + 0.5
    return hit(*rays(view, columns, rows))[0].astype(np.float16).astype(np.float64)


def looking_up(depth: np.ndarray) -> Any:
    height, width = depth.shape
    return lambda column, row: float(depth[min(max(row, 0), height - 1), min(max(column, 0), width - 1)])


def seen_points(view: Any, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random places in the picture, and what is there: points and normals."""
    random = np.random.default_rng(seed)
    places = random.uniform((0.5, 0.5), (view.width - 0.5, view.height - 0.5), (count, 2))
    begin, way = rays(view, places[:, 0], places[:, 1])
    depth, normal = hit(begin, way)
    is_there = depth < SKY
    return places[is_there], (begin + way * depth[:, None])[is_there], normal[is_there]


@pytest.mark.parametrize("name", VIEWS)
def test_point_is_projected_to_the_pixel_it_was_seen_at(core: Any, name: str) -> None:
    view = view_of(core, name)
    projector = core("core.projection").projector(view)
    places, points, _ = seen_points(view, 300, 1)
    assert len(points) > 100
    projected = np.array([projector.project(tuple(point))[:2] for point in points])
    found = projected * (view.width, view.height)
    assert np.abs(found - places).max() < 0.01  # of a pixel; half a pixel is asked for


@pytest.mark.parametrize("name", VIEWS)
def test_depth_is_what_was_captured(core: Any, name: str) -> None:
    view = view_of(core, name)
    projector = core("core.projection").projector(view)
    rows, columns = np.mgrid[: view.height, : view.width] + 0.5
    begin, way = rays(view, columns, rows)
    captured = depth_map(view)
    for row, column in ((view.height - 3, 5), (view.height - 9, view.width // 2)):
        point = begin[row, column] + way[row, column] * hit(begin, way)[0][row, column]
        assert projector.project(tuple(point))[2] == pytest.approx(captured[row, column], rel=1e-3)


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_seen_is_painted(core: Any, name: str) -> None:
    view = view_of(core, name)
    projector = core("core.projection").projector(view)
    _, points, normals = seen_points(view, 500, 2)
    depth_at = looking_up(depth_map(view))
    covers = [
        projector.paint(tuple(point), tuple(normal), depth_at).cover
        for point, normal in zip(points, normals, strict=True)
        if facing(view, point, normal) > math.cos(math.radians(75.0))
    ]
    assert len(covers) > 100
    assert min(covers) == 1.0


def facing(view: Any, point: np.ndarray, normal: np.ndarray) -> float:
    toward = np.array(view.location) - point
    if view.ortho_width:
        toward = -turning(view.rotation)[:, 0]
    return float(normal @ toward / np.linalg.norm(toward))


@pytest.mark.parametrize("name", VIEWS)
def test_what_is_hidden_is_not_painted(core: Any, name: str) -> None:
    """Points of the floor behind the ball, but for a rim of two pixels where depth cannot tell."""
    view = view_of(core, name)
    projector = core("core.projection").projector(view)
    depth_at = looking_up(depth_map(view))
    hidden = 0
    for x, y in np.random.default_rng(3).uniform((-200, -400), (700, 400), (3000, 2)):
        point = np.array((x, y, 0.0))
        u, v, depth = projector.project(tuple(point))
        if not (0.05 < u < 0.95 and 0.05 < v < 0.95 and depth > 0):
            continue
        columns, rows = np.meshgrid(
            *(place + np.linspace(-2, 2, 9) for place in (u * view.width, v * view.height))
        )
        around = hit(*rays(view, columns, rows))[0]
        if around.max() < depth - 20.0:
            hidden += 1
            assert projector.paint(tuple(point), (0.0, 0.0, 1.0), depth_at).cover == 0.0
    assert hidden > 20


def test_what_faces_away_is_not_painted(core: Any) -> None:
    view = view_of(core, "rolled")
    projector = core("core.projection").projector(view)
    _, points, normals = seen_points(view, 200, 4)
    depth_at = looking_up(depth_map(view))
    for point, normal in zip(points, normals, strict=True):
        painted = projector.paint(tuple(point), tuple(-normal), depth_at)
        assert (painted.weight, painted.cover) == (0.0, 0.0)


def test_what_is_behind_the_camera_is_not_painted(core: Any) -> None:
    view = view_of(core, "level")
    projector = core("core.projection").projector(view)
    forward = turning(view.rotation)[:, 0]
    point = tuple(np.array(view.location) - 100.0 * forward)
    assert projector.paint(point, tuple(forward), lambda column, row: 100.0).cover == 0.0


def test_view_gives_way_towards_its_border(core: Any) -> None:
    view = view_of(core, "level")
    projector = core("core.projection").projector(view)
    begin, way = rays(view, np.array([view.width * 0.5, view.width * 0.01]), np.array([96.0, 96.0]))
    points = begin + way * 200.0
    normal = tuple(-turning(view.rotation)[:, 0])
    middle, border = (projector.paint(tuple(point), normal, lambda column, row: 200.0) for point in points)
    assert middle.cover == border.cover == 1.0
    assert border.weight < middle.weight * 0.5


def test_colour_at_a_silhouette_is_taken_from_the_surface_itself(core: Any) -> None:
    """A point of the floor in a pixel whose middle shows the ball is painted with the floor's colour."""
    view = view_of(core, "level")
    depth = depth_map(view)
    depth[:, :144], depth[:, 144:] = 200.0, 800.0
    begin, way = rays(view, np.array(143.8), np.array(30.5))
    projector = core("core.projection").projector(view)
    normal = tuple(-turning(view.rotation)[:, 0])
    behind = projector.paint(tuple(begin + way * 800.0), normal, looking_up(depth))
    front = projector.paint(tuple(begin + way * 200.0), normal, looking_up(depth))
    assert behind.cover == front.cover == 1.0
    assert behind.uv[0] * view.width == pytest.approx(144.5)
    assert front.uv[0] * view.width == pytest.approx(143.5)


def test_strength_is_how_much_is_covered(core: Any) -> None:
    view = view_of(core, "level")
    begin, way = rays(view, np.array(40.0), np.array(30.0))
    normal = tuple(-turning(view.rotation)[:, 0])
    projector = core("core.projection").projector(view, strength=0.25)
    assert projector.paint(tuple(begin + way * 200.0), normal, lambda column, row: 200.0).cover == 0.25


@pytest.fixture(scope="module")
def context() -> Any:
    return software_context()


def bilinear(picture: np.ndarray, u: float, v: float) -> np.ndarray:
    height, width = picture.shape[:2]
    x, y = np.clip(u * width - 0.5, 0, width - 1), np.clip(v * height - 0.5, 0, height - 1)
    left, top = int(x), int(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    fx, fy = x - left, y - top
    upper = picture[top, left] * (1 - fx) + picture[top, right] * fx
    lower = picture[bottom, left] * (1 - fx) + picture[bottom, right] * fx
    return upper * (1 - fy) + lower * fy


def test_shader_paints_as_the_reference_does(core: Any, context: Any) -> None:
    """All views at once, at points that are seen, hidden, out of the frame and turned away."""
    projection, shader = core("core.projection"), core("core.shader")
    random = np.random.default_rng(7)
    views = [view_of(core, name) for name in VIEWS]
    projectors = [
        projection.projector(view, strength) for view, strength in zip(views, (1, 0.6, 0.8, 0.4), strict=True)
    ]
    depths = [depth_map(view) for view in views]
    pictures = [random.uniform(0, 1, (view.height // 2, view.width // 2, 3)) for view in views]
    seen = [seen_points(view, 400, seed)[1:] for seed, view in enumerate(views)]
    points = np.concatenate(
        [part[0] for part in seen] + [random.uniform((-900, -500, 0), (900, 500, 300), (400, 3))]
    )
    normals = np.concatenate([part[1] for part in seen] + [random.normal(size=(400, 3))])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)

    ways = {f"Way{index}": points - one.location for index, one in enumerate(projectors)}
    constants: dict[str, Any] = {}
    textures = {}
    for index, one in enumerate(projectors):
        frame = (*one.size, 1.0 if one.is_perspective else 0.0)
        named = {"Across": one.across, "Up": one.up, "Forward": one.forward, "Frame": frame}
        constants |= {f"{name}{index}": value for name, value in named.items()}
        constants[f"Strength{index}"] = one.strength
        textures[f"Picture{index}"] = Texture(pictures[index], is_filtered=True)
        textures[f"Depth{index}"] = Texture(depths[index], is_filtered=False)
    wanted = {"Normal", *ways, *constants, *textures}
    assert wanted == set(shader.inputs())
    found = evaluate(context, shader.projection_shader(), {"Normal": normals, **ways}, constants, textures)

    expected = np.zeros((len(points), 4))
    for at, (point, normal) in enumerate(zip(points, normals, strict=True)):
        painted = [
            one.paint(tuple(point), tuple(normal), looking_up(depth))
            for one, depth in zip(projectors, depths, strict=True)
        ]
        total = sum(part.weight for part in painted)
        for part, picture in zip(painted, pictures, strict=True):
            if part.weight:
                expected[at, :3] += part.weight / total * bilinear(picture, *part.uv)
        expected[at, 3] = 1.0 - math.prod(1.0 - part.cover for part in painted)
    is_painted = expected[:, 3] > 0
    assert 500 < is_painted.sum() < len(points) - 100
    off = np.abs(found - expected).max(axis=1)
    # Single precision puts a few points into the neighbouring pixel, or on the other side of a limit.
    assert np.median(off) < 1e-4
    assert (off > 1e-3).mean() < 0.01


def test_shader_without_views_paints_nothing(core: Any, context: Any) -> None:
    shader = core("core.shader")
    points = np.random.default_rng(0).uniform(-1, 1, (8, 3))
    constants: dict[str, Any] = {f"Strength{index}": 0.0 for index in range(4)}
    constants |= {f"{name}{index}": (1.0, 1.0, 1.0) for name in shader.VECTORS for index in range(4)}
    textures = {
        f"{name}{index}": Texture(np.ones((2, 2, 3)), is_filtered=False)
        for name in shader.TEXTURES
        for index in range(4)
    }
    ways = {f"Way{index}": points for index in range(4)}
    found = evaluate(context, shader.projection_shader(), {"Normal": points, **ways}, constants, textures)
    assert not found[:, 3].any()


@pytest.mark.parametrize("name", VIEWS)
def test_thrown_picture_is_where_its_view_shows_it(core: Any, context: Any, name: str) -> None:
    """The plate's and the decal's shader, at any depth and outside of the frame."""
    shader = core("core.shader")
    view = view_of(core, name)
    one = core("core.projection").projector(view)
    random = np.random.default_rng(11)
    places = random.uniform((-0.3, -0.3), (1.3, 1.3), (200, 2)) * (view.width, view.height)
    begin, way = rays(view, places[:, 0], places[:, 1])
    ways = begin + way * random.uniform(50, 3000, (200, 1)) - one.location
    frame = (*one.size, 1.0 if one.is_perspective else 0.0)
    constants = {
        "Across0": one.across,
        "Up0": one.up,
        "Forward0": one.forward,
        "Frame0": frame,
        "Strength0": 0.7,
    }
    picture = random.uniform(0, 1, (32, 48, 3))
    found = evaluate(
        context,
        shader.thrown_shader(),
        {"Way0": ways},
        constants,
        {"Picture0": Texture(picture, is_filtered=True)},
    )
    u, v = (places / (view.width, view.height)).T
    is_inside = (u > 0) & (u < 1) & (v > 0) & (v < 1)
    assert 50 < is_inside.sum() < 150
    assert found[:, 3] == pytest.approx(np.where(is_inside, 0.7, 0.0), abs=1e-6)
    for at in np.flatnonzero(is_inside):
        assert found[at, :3] == pytest.approx(bilinear(picture, u[at], v[at]), abs=2e-3)


def test_blend_shows_the_picture_as_it_came(core: Any, context: Any) -> None:
    """Encoded again, from the split on, and letterboxed in a viewport that is higher than the picture."""
    shader = core("core.shader")
    screen = np.array(
        [(x, y, 0.0) for y in np.linspace(0.025, 0.975, 20) for x in np.linspace(0.025, 0.975, 20)]
    )
    linear = np.random.default_rng(12).uniform(0, 1, (16, 16, 3)) ** 3
    body = shader.blend_shader().replace("Scene.rgb", "Scene")
    constants = {
        "Size": (800.0, 800.0, 0.0),
        "Scene": (0.2, 0.3, 0.4),
        "Opacity": 0.5,
        "Split": 0.5,
        "Aspect": 2.0,
    }
    found = evaluate(
        context, body, {"Screen": screen}, constants, {"Picture0": Texture(linear, is_filtered=True)}
    )
    for (x, y, _), color in zip(screen, found[:, :3], strict=True):
        expected = np.array((0.2, 0.3, 0.4))
        if x >= 0.5 and 0.25 <= y <= 0.75:
            shown = bilinear(linear, x, 0.5 + (y - 0.5) * 2)
            encoded = np.where(shown <= 0.0031308, shown * 12.92, 1.055 * shown ** (1 / 2.4) - 0.055)
            expected = (expected + encoded) / 2
        assert color == pytest.approx(expected, abs=2e-3)
