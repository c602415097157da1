import numpy as np
import pytest

from bridge.imaging import Cell, grid_sheet
from bridge.imaging.grid_sheet import EMPTY, FAULT, MAX_SIDE


def flat(red: int, size: tuple[int, int] = (120, 160)) -> Cell:
    return Cell(np.full((*size, 3), (red, 0, 0), np.uint8))


def has(sheet: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool((sheet == np.array(colour, np.uint8)).all(axis=2).any())


def places(sheet: np.ndarray, red: int) -> np.ndarray:
    return np.argwhere((sheet == (red, 0, 0)).all(axis=2))


def test_pictures_stand_row_by_row_whole_and_apart() -> None:
    cells = [[flat(100), flat(110)], [flat(120), flat(130)]]
    sheet = grid_sheet(cells, ["seed: 1", "seed: 2"], ["cfg: 4", "cfg: 7"])
    boxes = [places(sheet, red) for red in (100, 110, 120, 130)]
    assert [len(box) for box in boxes] == [120 * 160] * 4
    (a, b, c, d) = [box.min(axis=0) for box in boxes]
    assert a[0] == b[0] < c[0] == d[0]
    assert a[1] == c[1] < b[1] == d[1]


def test_headings_are_written_and_no_letter_lies_on_a_picture() -> None:
    plain = grid_sheet([[flat(100)]], ["x"], [""])
    long = grid_sheet([[flat(100)]], ["a very long prompt " * 20], ["and a long heading of the row " * 9])
    assert len(places(plain, 100)) == len(places(long, 100)) == 120 * 160
    above = long[: places(long, 100).min(axis=0)[0]]
    assert above.max() > 150
    assert long.shape[1] > plain.shape[1]


def test_a_picture_of_another_shape_keeps_its_proportions() -> None:
    sheet = grid_sheet([[flat(100), flat(200, (120, 40))]], ["a", "b"], [""])
    assert len(places(sheet, 200)) == 120 * 40


def test_what_failed_and_what_is_not_made_are_told_apart() -> None:
    failed = grid_sheet([[flat(100), Cell(None, "failed: no room", has_failed=True)]], ["a", "b"], [""])
    missing = grid_sheet([[flat(100), Cell(None, "not made")]], ["a", "b"], [""])
    assert has(failed, EMPTY)
    assert has(failed, FAULT)
    assert has(missing, EMPTY)
    assert not has(missing, FAULT)


def test_a_large_grid_shrinks_its_pictures() -> None:
    cells = [[flat(100, (1024, 1024))] * 20 for _ in range(20)]
    sheet = grid_sheet(cells, ["x"] * 20, ["y"] * 20)
    assert max(sheet.shape) <= MAX_SIDE
    assert max(grid_sheet([[flat(1)] * 50], ["x"] * 50, ["y"]).shape) <= MAX_SIDE


@pytest.mark.parametrize("cells", [[], [[]], [[flat(1)], [flat(1), flat(1)]]])
def test_what_is_no_grid_is_refused(cells: list[list[Cell]]) -> None:
    with pytest.raises(ValueError, match="grid"):
        grid_sheet(cells, ["x"], ["y"])
