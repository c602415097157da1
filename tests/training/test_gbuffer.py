import numpy as np


def test_edges_run_around_the_object_and_nowhere_inside(view):
    edges = view.edges
    assert edges[20, 25:40].all()
    assert not edges[25:35, 25:40].any()
    assert edges[45, 20]


def test_edges_of_the_silhouette_lie_on_the_nearer_side(view):
    assert not view.edges[19, 25:40].any()


def test_sky_has_no_disparity_and_the_nearest_surface_is_one(view):
    assert view.disparity[0, 0] == 0
    assert np.isclose(view.nearness.max(), 1)


def test_outline_grows_with_its_width(view):
    assert view.outline(3).sum() > 1.5 * view.outline(1).sum()


def test_normals_are_unit_vectors(view):
    assert np.allclose(np.linalg.norm(view.normals, axis=-1), 1, atol=1e-5)


def test_a_mirrored_view_is_the_same_scene_seen_in_a_mirror(view):
    mirrored = view.mirrored()
    assert np.array_equal(mirrored.color, view.color[:, ::-1])
    assert np.allclose(mirrored.normals[..., 0], -view.normals[:, ::-1, 0], atol=0.02)
    assert np.allclose(mirrored.normals[..., 1:], view.normals[:, ::-1, 1:], atol=0.02)
    assert np.array_equal(mirrored.mirrored().normal, view.normal)


def test_a_crop_shows_a_part(view):
    part = view.cropped((slice(10, 30), slice(20, 60)))
    assert part.shape == (20, 40)
    assert np.array_equal(part.albedo, view.albedo[10:30, 20:60])
