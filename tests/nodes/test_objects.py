"""The nodes about objects, on a frame whose left half is a car, and whose lower right is a tree."""

import numpy as np
import pytest
import torch

from bridge.diffusion.types import Control, Prompt
from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.imaging import decode_plane, to_bytes, to_plane
from bridge.nodes.objects import object_conditioning, object_mask, object_prompts, object_repaint
from bridge.nodes.viewport import viewport_composite
from bridge.protocol import Binding, Frame, Named, Names, SceneObject, write_bindings

NAMES = Names(
    (
        SceneObject("Car", collections=(1,)),
        SceneObject("Tree.001", within=("Forest",)),
        SceneObject("Hidden"),
    ),
    (Named("Vehicles"),),
    (Named("Paint"),),
)
EMBEDS = {"car": torch.full((1, 77, 8), 1.0), "tree": torch.full((1, 77, 8), 2.0)}
WHOLE = Prompt(torch.zeros(1, 77, 8), controls=(Control(None, torch.zeros(1, 8, 8, 3), 0.8),))
LATENT = {"samples": torch.zeros(1, 4, 4, 8), "downscale_ratio_spacial": 8}


@pytest.fixture
def frame():
    ranks = np.zeros((32, 64, 2), np.uint16)
    ranks[:, :32, 0], ranks[16:, 32:, 0] = 1, 2
    shares = np.zeros_like(ranks, np.uint8)
    shares[..., 0] = 255
    shares[16:, 32], ranks[16:, 32] = (128, 127), (2, 1)
    color = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    planes = {"color": color, "object_ranks": ranks, "object_shares": shares}
    return Frame({name: to_plane(name, array) for name, array in planes.items()}, names=NAMES)


@pytest.fixture
def job(tmp_path, frame):
    return Job("job", Folders(*[tmp_path] * 4), frame=frame)


@pytest.fixture
def encoded(monkeypatch):
    """Prompts are known words, so that no model is needed."""
    words = {each: Prompt(embeds, torch.ones(1, 8)) for each, embeds in EMBEDS.items()}
    monkeypatch.setattr(
        "bridge.diffusion.object_prompts.encode_prompt", lambda clip, text, catalogue: words[text]
    )


def bound(*bindings):
    return object_prompts(None, write_bindings(bindings))


def test_a_mask_is_the_share_of_each_pixel(job):
    with running(job, "1"):
        mask = object_mask("tree*")[0]
    assert mask.shape == (32, 64)
    assert mask[20, 31:35].tolist() == pytest.approx([0, 128 / 255, 1, 1])
    assert not mask[:16].any()


def test_masks_of_kinds_and_of_what_a_host_selects(job):
    with running(job, "1"):
        by_collection = object_mask("Vehicles", "collection")
        selected = object_mask(write_bindings([Binding("object", "Car", paint="only")]))
        inverted = object_mask("Car", invert=True)
        whole = object_mask("Car, Forest")
    assert torch.equal(by_collection, selected)
    torch.testing.assert_close(inverted, 1 - selected)
    assert whole[0, 16:].min() == pytest.approx(1)


def test_a_mask_grows_and_fades_by_pixels(job):
    with running(job, "1"):
        assert object_mask("Car", grow=3)[0, 8, 34] == 1
        assert object_mask("Car", feather=4)[0, 8, 31] == pytest.approx(3 / 5)


def test_a_name_that_is_gone_is_a_warning_with_the_nearest(job):
    told = []
    with running(job, "1", told):
        mask = object_mask("Cat, Tree.001")
    assert mask.any()
    assert [(problem.code, problem.is_warning) for problem in told] == [("object_missing", True)]
    assert told[0].message == 'no object of this view is called "Cat"'
    assert told[0].hint == "Was it renamed, hidden or deleted? Nearest: Car."


def test_a_name_like_no_other_is_told_without_any(job):
    told = []
    with running(job, "1", told):
        assert not object_mask("qqqq", "collection").any()
    assert told[0].hint.endswith("No collection has a name like it.")


def test_a_frame_without_names_is_an_error(job):
    job.frame = Frame(job.frame.planes)
    with running(job, "1"), pytest.raises(InputError) as caught:
        object_mask("Car")
    assert caught.value.code == "no_names"


def test_prompts_hold_where_their_objects_are_and_the_first_holds_elsewhere(job, encoded):
    with running(job, "1"):
        whole, car, tree = object_conditioning(
            (WHOLE,), bound(Binding("object", "Car", "car"), Binding("object", "Tree.001", "tree")), LATENT
        )
    assert torch.equal(car.prompt_embeds, EMBEDS["car"])
    assert car.pooled_prompt_embeds is not None
    assert [tuple(prompt.region.mask.shape) for prompt in (whole, car, tree)] == [(1, 4, 8)] * 3
    assert car.region.mask[0, 0].tolist() == [1] * 4 + [0] * 4
    assert tree.region.mask[0, 3, 4] == pytest.approx(
        (7 + 128 / 255) / 8
    )  # what is thin counts for its share
    total = sum(prompt.region.mask for prompt in (whole, car, tree))
    torch.testing.assert_close(total, torch.ones(1, 4, 8))


def test_each_object_weighs_the_controls_with_its_own_strength(job, encoded):
    with running(job, "1"):
        whole, car, tree = object_conditioning(
            (WHOLE,),
            bound(Binding("object", "Car", "car", control=0.5), Binding("object", "Tree.001", control=0.0)),
            LATENT,
        )
    assert whole.controls == WHOLE.controls
    assert [control.conditioning_scale for control in car.controls] == [0.4]
    assert tree.controls == ()
    assert torch.equal(tree.prompt_embeds, WHOLE.prompt_embeds)


def test_the_upper_line_counts_and_what_is_not_seen_costs_nothing(job, encoded):
    lines = bound(
        Binding("object", "Car", "car"),
        Binding("collection", "Vehicles", "tree"),
        Binding("object", "Hidden", "tree"),
    )
    with running(job, "1"):
        prompts = object_conditioning((WHOLE,), lines, LATENT)
    assert [prompt.prompt_embeds.mean() for prompt in prompts] == [0, 1]


def test_without_bindings_nothing_is_needed_of_the_frame(job):
    job.frame = Frame(job.frame.planes)
    with running(job, "1"):
        assert object_conditioning((WHOLE,), (), LATENT) == (WHOLE,)
        latent, mask = object_repaint(LATENT, ())
    assert latent is LATENT
    assert mask.all()


def test_only_and_keep_say_what_is_repainted(job):
    with running(job, "1"):
        latent, only = object_repaint(LATENT, bound(Binding("object", "Car", paint="only")))
        _, kept = object_repaint(LATENT, bound(Binding("object", "Car", paint="keep")))
        selected = object_mask("Car")
    torch.testing.assert_close(only, selected)
    torch.testing.assert_close(kept, 1 - selected)
    reaching = latent["noise_mask"][0, 0]
    assert reaching[8].tolist() == [1.0] * 40 + [0.0] * 24  # one latent of 8 pixels beyond the border


def test_what_is_not_repainted_stays_as_captured_bit_for_bit(job):
    captured = decode_plane(job.frame.planes["color"])
    with running(job, "1"):
        _, mask = object_repaint(LATENT, bound(Binding("object", "Car", paint="only")))
        laid = viewport_composite(torch.rand(2, 16, 32, 3), mask)  # of another size
    assert laid.shape == (2, 32, 64, 3)
    outside = mask[0].numpy() == 0
    assert outside.any()
    for picture in laid.numpy():
        assert np.array_equal(to_bytes(picture)[outside], captured[outside])
        assert not np.array_equal(to_bytes(picture)[~outside], captured[~outside])


def test_a_picture_that_is_repainted_everywhere_passes_as_it_is(job):
    image = torch.rand(1, 16, 32, 3)
    with running(job, "1"):
        assert viewport_composite(image, torch.ones(1, 32, 64)) is image


@pytest.mark.parametrize("text", ["Car", "[{]"])
def test_lines_that_say_nothing_are_told(text):
    with pytest.raises(InputError) as caught:
        object_prompts(None, text)
    assert caught.value.code == "bad_objects"
