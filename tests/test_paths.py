import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.errors import InputError
from bridge.paths import beginning_in, open_in, parts_of, resolve_in

CLIMBING = ["", ".", "..", "../x", "a/../../x", "a/..", "..\\x", "a\\..\\..\\x"]
ABSOLUTE = [
    "/etc/passwd",
    "\\x",
    "\\\\host\\share\\x",
    "//host/share",
    "C:\\x",
    "C:x",
    "c:/x",
    "\\\\?\\C:\\x",
]
DEVICES = ["CON", "con.png", "con .png", "NUL ", "sub/NUL", "lpt1.txt", "COM²", "CONIN$", "x:stream"]
UNSOUND = ["x\0y", "a\nb", "what?", "a*b", 'say "x"', "n" * 300, "\ud800", "/".join(["d" * 190] * 32)]
CUT_BY_WINDOWS = ["evil.png.", "evil.png ", "evil.png. .", "a./b", "a /b", "..."]


@pytest.mark.parametrize("name", CLIMBING + ABSOLUTE + DEVICES + UNSOUND + CUT_BY_WINDOWS)
def test_names_that_lead_out_are_refused(tmp_path, name):
    with pytest.raises(InputError) as caught:
        resolve_in(tmp_path, name)
    assert caught.value.code == "bad_path"
    caught.value.message.encode()


def test_a_beginning_of_a_name_may_end_in_what_no_name_may(tmp_path):
    root = tmp_path.resolve()
    for prefix, path in {
        "a": "a",
        "shot.": "shot.",
        "d/take ": "d/take ",
        "d/": "d",
        "shot 12:30": "shot 12_30",
        "what?/<b>*": "what_/_b__",
    }.items():
        assert str(beginning_in(tmp_path, prefix)) == f"{root}{os.sep}{path.replace('/', os.sep)}"
    for prefix in ("", "..", "a/..", "a\\..", ". .", "../x.", "a./b", "con.", "C:/x", "c:x"):
        with pytest.raises(InputError):
            beginning_in(tmp_path, prefix)


def test_paths_that_end_up_too_long_are_refused(tmp_path):
    name = "/".join(["d" * 99] * 29)
    assert parts_of(name) == ("d" * 99,) * 29
    with pytest.raises(InputError):
        parts_of(f"{name}/{'d' * 150}")
    assert resolve_in(tmp_path, name)
    with pytest.raises(InputError):
        resolve_in(tmp_path / name[:1500], name)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("a.png", "a.png"),
        ("a/b c/ü.png", "a/b c/ü.png"),
        ("a\\b", "a/b"),
        ("./a//b/", "a/b"),
        ("..a", "..a"),
        ("%2e%2e", "%2e%2e"),
    ],
)
def test_names_inside_are_found(tmp_path, name, inside):
    assert resolve_in(tmp_path, name) == tmp_path.resolve() / inside


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["..", ".", "a", "", "C:", "~"]), max_size=6).map("/".join)
)
@example("~/x")
def test_no_name_ever_leads_out(tmp_path_factory, name):
    root = Path(tmp_path_factory.getbasetemp()).resolve() / "root"
    try:
        path = resolve_in(root, name)
    except InputError:
        return
    assert path.is_relative_to(root)
    assert path != root
    assert os.path.normpath(path) == str(path)


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_inside_that_lead_out_are_refused(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "way").symlink_to(tmp_path)
    (root / "here").symlink_to(root)
    with pytest.raises(InputError):
        resolve_in(root, "way/secret.png")
    assert resolve_in(root, "here/a.png") == root.resolve() / "a.png"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_the_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "output").symlink_to(tmp_path / "disk")
    assert resolve_in(tmp_path / "output", "a") == tmp_path.resolve() / "disk" / "a"


@pytest.mark.parametrize("name", ["what?.safetensors", 'a"b', "a|b"])
def test_odd_names_that_lie_here_already_are_parted_but_never_made(tmp_path, name):
    assert parts_of(name) == (name,)
    with pytest.raises(InputError):
        resolve_in(tmp_path, name)


def test_more_folders_than_anybody_has_are_refused(tmp_path):
    with pytest.raises(InputError):
        resolve_in(tmp_path, "/".join("a" * 40))


def test_a_file_inside_is_opened(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"inside")
    with open_in(tmp_path, "a.bin") as file:
        assert file.read() == b"inside"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_put_there_after_the_judgement_is_not_followed(tmp_path, monkeypatch):
    secret, root = tmp_path / "secret", tmp_path / "root"
    secret.write_bytes(b"secret")
    root.mkdir()
    (root / "a").symlink_to(secret)
    monkeypatch.setattr("bridge.paths.resolve_in", lambda *_: root / "a")
    with pytest.raises(InputError) as caught:
        open_in(root, "a")
    assert caught.value.code == "bad_path"


def test_a_missing_file_is_missing_and_not_a_bad_path(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_in(tmp_path, "nowhere")
