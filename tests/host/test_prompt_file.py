from pathlib import Path

import pytest

from bridge.errors import InputError
from bridge.host.prompt_file import MAX_PROMPTS, Line, read_prompts


def file_with(tmp_path: Path, data: bytes) -> Path:
    file = tmp_path / "prompts.txt"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_one_prompt_a_line_with_its_number(tmp_path: Path, encoding: str) -> None:
    text = "# mine\r\n\r\n  a red car  \r\nGröße, 猫\tx\n#\n"
    file = file_with(tmp_path, text.encode(encoding))
    assert read_prompts(file) == [Line(3, "a red car"), Line(4, "Größe, 猫\tx")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "no_prompts"),
        (b"\n# only this\n", "no_prompts"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_text"),
        (b"a\0b", "not_text"),
        ("schön".encode("latin-1"), "not_text"),
        (b"a\n" * (MAX_PROMPTS + 1), "prompts_too_large"),
    ],
    ids=["empty", "comments", "picture", "zero", "latin-1", "many"],
)
def test_a_file_that_is_no_list_of_prompts_is_refused_with_a_remedy(
    tmp_path: Path, data: bytes, code: str
) -> None:
    with pytest.raises(InputError) as raised:
        read_prompts(file_with(tmp_path, data))
    assert raised.value.code == code
    assert raised.value.hint
    assert "prompts.txt" in raised.value.message


def test_a_file_of_100_mb_is_refused_without_being_read(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    with file.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    with pytest.raises(InputError, match="larger than 8 MB"):
        read_prompts(file)


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_what_is_no_file_is_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as raised:
        read_prompts(tmp_path / name)
    assert raised.value.code == "file_not_found"
