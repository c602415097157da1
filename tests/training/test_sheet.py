import json

import cv2
import numpy as np
import pytest

from training.gbuffer import PLANES
from training.sheet import SHOWN, shown_frames, targets, write_sheet
from training.styles import STYLES


class EchoPainter:
    """Paints nothing: returns the viewport once for every prompt."""

    def __init__(self, *networks):
        pass

    def paint(self, view, prompts, **options):
        return np.stack([view.color] * len(prompts))


@pytest.fixture
def frames(view, tmp_path, monkeypatch):
    monkeypatch.setattr("training.sheet.Painter", EchoPainter)
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in PLANES:
        np.save(folder / f"{name}.npy", np.stack([getattr(view, name)] * 3))
    (folder / "names.json").write_text(json.dumps(["suzanne", "suzanne", "bunny"]), "utf-8")
    return folder


def test_the_first_frame_of_each_wanted_model_is_shown():
    names = [name for name in ("suzanne", "spider", *SHOWN[1:]) for _ in range(6)]
    assert [names[number] for number in shown_frames(names)] == list(SHOWN)
    assert all(number % 6 == 0 for number in shown_frames(names))


def test_models_that_are_not_there_are_left_out():
    assert shown_frames(["suzannes", "bunny", "bunny", "suzanne"]) == [3, 1]


@pytest.mark.parametrize(("count", "numbers"), [(9, [0, 2, 4, 6, 8]), (2, [0, 1]), (1, [0])])
def test_evenly_spread_frames_are_shown_where_no_wanted_model_is(count, numbers):
    assert shown_frames(["teapot"] * count) == numbers


def test_targets_are_one_a_style(view):
    assert len(targets(view)) == len(STYLES)


def test_a_sheet_has_four_rows_a_shown_frame(frames, tmp_path):
    out = tmp_path / "sheet.png"
    write_sheet(None, None, frames, out, None)
    assert cv2.imread(str(out)).shape == (2 * 4 * 64, (1 + len(STYLES)) * 64, 3)


def test_a_sheet_that_cannot_be_written_is_an_error(frames, tmp_path):
    with pytest.raises(OSError, match="could not be written"):
        write_sheet(None, None, frames, tmp_path / "nowhere" / "sheet.png", None)
