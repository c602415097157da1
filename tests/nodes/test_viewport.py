from dataclasses import replace

import numpy as np
import pytest
import torch

from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.graph import ALWAYS
from bridge.imaging import decode_plane, to_plane
from bridge.nodes.viewport import send_to_host, viewport_edges, viewport_frame
from bridge.protocol import Frame, Result


@pytest.fixture
def frame():
    color = np.full((32, 48, 4), 255, np.uint8)
    color[:, :24, :3] = 10
    depth = np.full((32, 48), 8.0, np.float32)
    depth[8:24, 16:32] = 4
    return Frame({"color": to_plane("color", color), "depth": to_plane("depth", depth)})


@pytest.fixture
def job(tmp_path, frame):
    sent = []
    job = Job("job", Folders(*[tmp_path] * 4), emit=sent.append, frame=frame)
    return job, sent


def test_the_outputs_are_pictures_of_one_size_and_a_mask(job):
    with running(job[0], "1") as shown:
        *images, mask = viewport_frame(width=96)
    assert [tuple(image.shape) for image in images] == [(1, 64, 96, 3)] * 4
    assert mask.shape == (1, 64, 96)
    assert all(image.dtype == torch.float32 for image in images)
    near, far = shown["depth_range"]
    assert near == pytest.approx(4)
    assert far > 8


def test_options_reach_the_pictures(job):
    with running(job[0], "1"):
        by_colour = viewport_frame(canny_source="colour")[2]
        by_shape = viewport_frame(canny_source="geometry")[2]
        frozen = viewport_frame(depth_near=2.0, depth_far=8.0)[1]
    assert by_colour[0, 2].any()
    assert not by_shape[0, 2].any()
    assert frozen.max() == pytest.approx(1 / 3)


def test_outputs_are_named_as_workflows_know_them():
    outputs = viewport_frame.node.definition.outputs
    assert [(output.name, output.type) for output in outputs] == [
        ("color", "IMAGE"),
        ("depth", "IMAGE"),
        ("canny", "IMAGE"),
        ("normal", "IMAGE"),
        ("mask", "MASK"),
    ]


def test_geometry_edges_follow_the_shapes_at_the_size_of_the_other_pictures(job):
    with running(job[0], "1"):
        edges = viewport_edges(width=96)
        lines = viewport_frame(width=96, canny_source="geometry")[2]
    assert edges.any()
    torch.testing.assert_close(edges, lines)


@pytest.mark.parametrize("look", [viewport_frame, viewport_edges])
def test_without_a_frame_it_says_where_one_comes_from(job, look):
    job[0].frame = None
    with running(job[0], "1"), pytest.raises(InputError) as caught:
        look()
    assert caught.value.code == "no_frame"
    assert "--frame" in caught.value.hint


@pytest.mark.parametrize("look", [viewport_frame, viewport_edges])
def test_the_fingerprint_follows_the_view_and_not_its_number(job, frame, look):
    fingerprint = look.node.fingerprint
    with running(job[0], "1"):
        first = fingerprint()
        job[0].frame = replace(frame, number=9)
        assert fingerprint() == first == frame.digest
        moved = np.full((32, 48), 5.0, np.float32)
        job[0].frame = Frame({**frame.planes, "depth": to_plane("depth", moved)})
        assert fingerprint() != first
        job[0].frame = None
        assert fingerprint() == ""


def test_pictures_go_to_the_host_as_bytes(job):
    images = torch.rand(2, 8, 10, 3)
    with running(job[0], "7"):
        send_to_host(images)
    (result,) = job[1]
    assert isinstance(result, Result)
    assert (result.node, result.job) == ("7", "job")
    assert [(plane.name, plane.dtype, plane.codec, plane.shape) for plane in result.planes] == [
        ("image", "u8", "raw", (8, 10, 3))
    ] * 2
    np.testing.assert_array_equal(
        decode_plane(result.planes[1]), np.floor(images[1].numpy() * 255 + 0.5).astype(np.uint8)
    )


def test_sending_runs_every_time():
    definition = send_to_host.node
    assert definition.fingerprint() is ALWAYS
    assert definition.definition.is_output
