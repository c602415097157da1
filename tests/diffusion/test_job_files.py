"""Files of the running job, by the names that nodes use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.diffusion import job_file, job_file_stamp
from bridge.engine import Folders, Job, running
from bridge.errors import InputError


@pytest.fixture(autouse=True)
def _inside_a_job(tmp_path: Path) -> Iterator[None]:
    folders = Folders(*(tmp_path / name for name in ("input", "output", "temp", "frames")))
    with running(Job("job", folders), "1"):
        yield


@pytest.mark.parametrize(
    ("name", "home", "place"),
    [("a.png", "input", "input/a.png"), ("a.png", "temp", "temp/a.png"), ("b [output]", "input", "output/b")],
)
def test_a_name_lies_at_home_unless_it_says_where(tmp_path: Path, name: str, home: str, place: str) -> None:
    assert job_file(name, home) == (tmp_path / place).resolve()


def test_no_name_leads_out() -> None:
    with pytest.raises(InputError):
        job_file("../a.png")
    assert job_file_stamp("../a.png") is None


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    assert job_file_stamp("a.png") is None
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "a.png").write_bytes(b"1")
    before = job_file_stamp("a.png")
    (tmp_path / "input" / "a.png").write_bytes(b"22")
    assert before
    assert job_file_stamp("a.png") not in (before, None)
