import json
import os
import sys
import threading
from pathlib import Path

import fake_nodes
import pytest

from bridge.packs import load_packs, loading
from bridge.packs.loading import _Marker

FOLDER = Path(__file__).parent / "folder"


@pytest.fixture
def reasons(packs):
    return {failure.module: failure.reason for failure in packs.failures}


def test_a_broken_pack_is_reported_in_one_line_and_the_others_load(packs, reasons):
    assert reasons["broken"] == "ValueError: this pack is broken"
    assert {"PackConstant", "SchemaAdd", "Honest"} <= {each.definition.name for each in packs.functions}


def test_a_pack_that_leaves_the_process_does_not(reasons):
    assert reasons["leaves"] == "SystemExit: 3"


def test_a_pack_that_acts_as_if_somebody_pressed_ctrl_c_is_left_out(tmp_path):
    nodes = "class A:\n @classmethod\n def INPUT_TYPES(cls): raise KeyboardInterrupt"
    (tmp_path / "at_once.py").write_text("raise KeyboardInterrupt")
    (tmp_path / "in_a_node.py").write_text(f"{nodes}\nNODE_CLASS_MAPPINGS = {{'A': A}}")
    settings = {"custom_nodes": [str(tmp_path)], "temp": str(tmp_path / "temp")}
    failures = load_packs(settings, fake_nodes.registry()).failures
    assert [(failure.module, failure.reason) for failure in failures] == [
        ("at_once", "KeyboardInterrupt"),
        ("in_a_node: A", "KeyboardInterrupt"),
    ]


def test_what_a_pack_needs_and_we_lack_is_named(reasons):
    assert reasons["needs_more"] == "it needs comfy.sd of ComfyUI, which Framebridge does not have"
    assert (
        reasons["needs_part"] == "it needs comfy.model_detection of ComfyUI, which Framebridge does not have"
    )
    assert (
        reasons["needs_package"] == "it needs the Python package a_package_of_nobody, which is not installed"
    )


def test_what_a_pack_uses_and_we_lack_is_named_as_what_it_imports(tmp_path):
    (tmp_path / "looks.py").write_text("import comfy.model_management as mm\nmm.load_models_gpu([])")
    (tmp_path / "reaches.py").write_text("import comfy\ncomfy.sd.VAE")
    settings = {"custom_nodes": [str(tmp_path)], "temp": str(tmp_path)}
    assert {each.module: each.reason for each in load_packs(settings, fake_nodes.registry()).failures} == {
        pack: f"it needs {part} of ComfyUI, which Framebridge does not have"
        for pack, part in {"looks": "comfy.model_management.load_models_gpu", "reaches": "comfy.sd"}.items()
    }


def test_a_pack_that_calls_pip_finds_no_packages(reasons, monkeypatch, tmp_path):
    assert reasons["installs"] == "RuntimeError: pip found nothing"
    assert "PIP_NO_INDEX" not in os.environ
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    load_packs({"custom_nodes": [str(FOLDER / "thief")], "temp": str(tmp_path)}, fake_nodes.registry())
    assert os.environ["PIP_NO_INDEX"] == "0"


def test_names_are_not_taken_over(packs, reasons):
    assert reasons["thief: Constant"] == "Framebridge has a node of this name"
    assert reasons["thief: PackConstant"] == "the pack first_form has a node of this name"
    names = [each.definition.name for each in packs.functions]
    assert names.count("PackConstant") == 1
    assert "Constant" not in names


def test_a_class_that_cannot_be_read_is_reported_by_itself(reasons):
    assert reasons["first_form: PackUnreadable"] == "RuntimeError: no inputs today ?"


def test_a_module_without_nodes_is_no_pack(reasons):
    assert "NODE_CLASS_MAPPINGS" in reasons["no_nodes"]


def test_hidden_and_disabled_folders_are_passed_over(tmp_path):
    for name in ("_hidden", ".git", "old.disabled", "data", "empty"):
        (tmp_path / name).mkdir()
        file = {"data": "palette.json", "empty": ".gitkeep"}.get(name, "__init__.py")
        (tmp_path / name / file).write_text("raise SystemExit")
    (failure,) = load_packs({"custom_nodes": [str(tmp_path)]}, fake_nodes.registry()).failures
    assert "there is no pack" in failure.reason


def test_a_folder_that_looks_like_a_pack_and_is_none_is_reported(tmp_path):
    (tmp_path / "unpacked-main/unpacked").mkdir(parents=True)
    (tmp_path / "unpacked-main/unpacked/__init__.py").touch()
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished/nodes.py").touch()
    failures = load_packs({"custom_nodes": [str(tmp_path)]}, fake_nodes.registry()).failures
    assert [(failure.module, failure.reason) for failure in failures] == [
        ("unfinished", "it has no __init__.py"),
        ("unpacked-main", "it has no __init__.py; is unpacked, in it, the pack?"),
    ]


def test_folders_for_the_editor_are_told(packs):
    home = FOLDER / "first_form"
    assert packs.folders["first_form"] == {
        "web": str(home / "web"),
        "examples": str(home / "example_workflows"),
    }


def test_folders_outside_of_a_pack_are_not_told(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("NODE_CLASS_MAPPINGS, WEB_DIRECTORY = {}, '../secret'")
    settings = {"custom_nodes": [str(tmp_path / "pack")], "temp": str(tmp_path)}
    assert load_packs(settings, fake_nodes.registry()).folders == {"pack": {}}


def test_nothing_is_imported_unless_it_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "folder_paths", raising=False)
    assert load_packs({}, fake_nodes.registry()).functions == []
    assert "folder_paths" not in sys.modules


def test_a_folder_without_packs_is_reported(tmp_path):
    (failure,) = load_packs({"custom_nodes": [str(tmp_path)]}, fake_nodes.registry()).failures
    assert failure.module == str(tmp_path)


def test_one_pack_may_be_named_itself_and_is_there_whatever_of_pip_is_switched_off(tmp_path):
    settings = {"custom_nodes": [str(FOLDER / "thief")], "temp": str(tmp_path)}
    for off in ([], ["thief"]):
        found = load_packs({**settings, "without_packs": off}, fake_nodes.registry()).functions
        assert [each.definition.name for each in found] == ["PackConstant", "Honest"]


ODD = """
class Sound:
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def run(self):
        return (1,)


class HalfText(Sound):
    DESCRIPTION = "half \\ud800"


class Half(Sound):
    @classmethod
    def INPUT_TYPES(cls):
        raise ValueError("half \\ud800\\nand more")


class Mute(Exception):
    def __str__(self):
        raise RuntimeError


class Silent(Sound):
    @classmethod
    def INPUT_TYPES(cls):
        raise Mute


kinds = (HalfText, Half, Silent, Sound)
NODE_CLASS_MAPPINGS = {kind.__name__: kind for kind in kinds} | {"name \\udcff": Sound}
"""


def test_odd_texts_of_a_pack_are_faults_of_their_nodes_and_all_that_is_told_can_be_sent(tmp_path):
    (tmp_path / "odd.py").write_text(ODD)
    packs = load_packs({"custom_nodes": [str(tmp_path)], "temp": str(tmp_path)}, fake_nodes.registry())
    reasons = {failure.module: failure.reason for failure in packs.failures}
    assert [each.definition.name for each in packs.functions] == ["Sound"]
    assert set(reasons) == {f"odd: {name}" for name in ("HalfText", "Half", "Silent", "name ?")}
    assert reasons["odd: Half"] == "ValueError: half ?"
    assert reasons["odd: Silent"] == "Mute"
    assert "half a character" in reasons["odd: HalfText"]
    json.dumps(reasons, ensure_ascii=False).encode()


OWN = '''
from bridge.graph import node


@node("Own", category="own")
def own(value: int = 1) -> int:
    """Give half \\ud800."""
    return value
'''


def test_odd_texts_in_a_pack_of_our_own_form_are_no_different(tmp_path):
    (tmp_path / "ours.py").write_text(OWN)
    packs = load_packs({"custom_nodes": [str(tmp_path)], "temp": str(tmp_path)}, fake_nodes.registry())
    assert (packs.functions, [failure.module for failure in packs.failures]) == ([], ["ours: Own"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names of files that are no text")
def test_a_pack_whose_folder_has_half_a_character_in_its_name_is_told_by_another(tmp_path):
    folder = tmp_path / "half \udcff"
    (folder / "web").mkdir(parents=True)
    (folder / "__init__.py").write_text("NODE_CLASS_MAPPINGS, WEB_DIRECTORY = {}, 'web'")
    packs = load_packs({"custom_nodes": [str(folder)], "temp": str(tmp_path)}, fake_nodes.registry())
    assert (packs.folders, packs.failures) == ({"half ?": {}}, [])


def test_a_pack_whose_folders_cannot_be_judged_is_left_out_alone(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack/__init__.py").write_text("NODE_CLASS_MAPPINGS, WEB_DIRECTORY = {}, '\\0'")
    settings = {"custom_nodes": [str(tmp_path / "pack")], "temp": str(tmp_path)}
    (failure,) = load_packs(settings, fake_nodes.registry()).failures
    assert failure.module == "pack"


def test_a_pack_that_is_long_in_coming_is_named_in_the_log(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SLOW_S", 0.01)
    was_told = threading.Event()
    monkeypatch.setattr(loading.log, "warning", lambda *words: (told.append(words), was_told.set()))
    told = []
    monkeypatch.setattr(os, "was_told", was_told, raising=False)
    (tmp_path / "sleepy.py").write_text("import os\nos.was_told.wait(30)\nNODE_CLASS_MAPPINGS = {}")
    load_packs({"custom_nodes": [str(tmp_path)], "temp": str(tmp_path)}, fake_nodes.registry())
    assert told == [("still importing the pack %s after %g s", "sleepy", 0.01)]


def test_a_pack_under_which_a_worker_died_is_left_out_by_the_next(tmp_path):
    importing = _Marker(tmp_path).importing("thief")
    importing.__enter__()  # and never comes back
    settings = {"custom_nodes": [str(FOLDER / "thief")], "temp": str(tmp_path)}
    for _ in range(2):
        (failure,) = load_packs(settings, fake_nodes.registry()).failures
        assert failure.reason == "the worker died while this pack was imported"


def test_a_pack_that_came_before_may_be_to_blame(tmp_path):
    marker = _Marker(tmp_path)
    with marker.importing("leaves_a_thread"):
        pass
    importing = marker.importing("thief")
    importing.__enter__()  # and never comes back
    assert _Marker(tmp_path).blame("thief").endswith("imported, perhaps of one before it")


def test_a_pack_that_hangs_is_told_apart_from_one_that_dies(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SLOW_S", 0.01)
    was_told = threading.Event()
    monkeypatch.setattr(loading.log, "warning", lambda *words: was_told.set())
    importing = _Marker(tmp_path).importing("thief")
    importing.__enter__()  # and never comes back
    assert was_told.wait(30)
    settings = {"custom_nodes": [str(FOLDER / "thief")], "temp": str(tmp_path)}
    (failure,) = load_packs(settings, fake_nodes.registry()).failures
    assert failure.reason.startswith("it did not finish importing")


def test_a_pack_that_was_survived_is_not_blamed(packs, temp):
    assert list(temp.glob("temp/importing-pack*")) == []
