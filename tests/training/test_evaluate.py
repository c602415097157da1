"""The evaluation's parts on a tiny untrained model and one small view."""

import json
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from training.card import make_card
from training.denoiser import make_networks
from training.evaluate import measure
from training.evaluate.classifier import StyleJudge, share_nearest, style_distance, to_tensor
from training.evaluate.model import load_painter
from training.export import export
from training.lora import attach, attached, load_lora, save_lora
from training.networks import make_autoencoder
from training.pipeline import TOKENIZER
from training.recipe import SMOKE
from training.styles import STYLES, WORDS


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    out = tmp_path_factory.mktemp("model") / "model"
    export(make_networks(SMOKE.sizes), make_autoencoder(SMOKE.sizes), TOKENIZER, out)
    return out


@pytest.fixture(scope="module")
def painter(model):
    return load_painter(model)


@pytest.fixture(scope="module")
def judge():
    torch.manual_seed(0)
    return StyleJudge().eval()


def test_an_export_says_what_it_knows_and_what_it_holds(model):
    assert json.loads((model / "words.json").read_text("utf-8")) == WORDS
    hashes = json.loads((model / "manifest.json").read_text("utf-8"))
    assert {"unet/diffusion_pytorch_model.safetensors", "tokenizer/vocab.json", "words.json"} <= set(hashes)
    assert "manifest.json" not in hashes


def test_paintings_depend_on_prompt_controls_and_seed_alone(painter, view):
    first = painter.paint(view, ["toon", "neon"], steps=1)
    assert first.shape == (2, 64, 64, 3)
    assert np.array_equal(first, painter.paint(view, ["toon", "neon"], steps=1))
    assert not np.array_equal(first, painter.paint(view, ["toon", "neon"], steps=1, seeds=(2,)))
    assert not np.array_equal(first, painter.paint(view, ["toon", "neon"], steps=1, depth=0.0))
    assert not np.array_equal(first[0], first[1])


def test_true_targets_lie_at_no_distance_and_other_styles_at_some(judge, view):
    targets = measure.target_set([view, view.mirrored()])
    assert style_distance(judge, targets, targets) == pytest.approx(0, abs=1e-9)
    shifted = [np.roll(row, 1, axis=0) for row in targets]
    assert 0.3 < style_distance(judge, shifted, targets) < 3


def test_a_lora_survives_its_file_and_is_measured_beside_its_base(model, judge, view, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    networks = load_painter(folder).networks
    attach(networks)
    for key, layer in attached(networks):
        nn.init.normal_(layer.up.weight, std=0.2)
        assert key.startswith("lora_unet_")
    (folder / "loras").mkdir()
    save_lora(networks, folder / "loras" / "chalkboard.safetensors")
    again = load_painter(folder)
    base = again.paint(view, ["toon"], steps=1)
    load_lora(again.networks, folder / "loras" / "chalkboard.safetensors")
    for (_, ours), (_, theirs) in zip(attached(networks), attached(again.networks), strict=True):
        assert torch.allclose(ours.up.weight, theirs.up.weight, atol=1e-3)
    assert not np.array_equal(again.paint(view, ["toon"], steps=1), base)
    shares = measure.lora_effect(folder, judge, [view])["chalkboard"]
    assert set(shares) == {"with", "without"}


def test_true_targets_are_nearest_to_their_own_style(judge, view):
    targets = measure.target_set([view])
    assert share_nearest(judge, [row[-1:] for row in targets], targets) == 1.0
    assert share_nearest(judge, [row[:1] for row in targets], targets) == 0.0


def test_the_judge_sees_the_whole_picture(judge, view):
    pictures = measure.target_set([view])[0]
    assert judge.summary(to_tensor(pictures)).shape == (len(STYLES), 128)
    assert len(judge.judge(pictures)) == len(STYLES)


def test_structure_is_compared_with_views_of_the_same_size_only(view):
    small = view.cropped((slice(0, 48), slice(None)))
    targets = measure.target_set([view, small])
    numbers = measure.structure(targets, [view, small])
    assert numbers["f1"] > 0.3
    assert numbers["f1_other_scene"] is None


def test_the_card_says_what_was_measured(model, tmp_path):
    (tmp_path / "recipe.json").write_text('{"commit": "abc1234"}')
    for stage in ("autoencoder", "windows", "denoiser", "refined", "decoder"):
        (tmp_path / f"{stage}.csv").write_text("step,wall_s\n50,10\n100,21\n")
    variant = {"accuracy": 0.9, "style_distance": 0.05, "f1": 0.61}
    report = {
        "views": 12,
        "style_accuracy_procedural": 0.98,
        "style_accuracy_blender": 0.97,
        "style_procedural": {"ceiling": 1.0},
        "style_blender": {"ceiling": 0.99, "wrong_prompt": 0.01},
        "edge_f1": 0.71,
        "structure_blender": {"targets": 0.73, "f1_other_scene": 0.24},
        "controls": {"depth": variant, "lines": variant, "none": variant},
        "settings": {"1 step": variant},
        "style_accuracy_without_prompt": 0.09,
        "negative_prompt": {"toon without neon": 0.9},
        "colour_moved_by_denoise": {"0.3": 20.1},
        "hue_accuracy": 0.95,
        "lora": {"chalkboard": {"with": 0.93, "without": 0.0}},
        "autoencoder_psnr_blender": {"photo": 31.2, "lava": 32.5},
        "autoencoder_psnr_procedural": {"photo": 33.0, "lava": 30.5},
        "speed_256": {"fps_1_steps": 6.1, "fps_4_steps": 2.2, "threads": 2},
    }
    card = make_card(model, tmp_path, report, "one test")
    for text in (
        "0.98 (1.0)",
        "30.5 dB",
        "105 s of training",
        "0.93, 0.0",
        "one test",
        "abc1234",
        "oil painting",
        "6.1 and 2.2",
    ):
        assert text in card
    assert "$" not in card
