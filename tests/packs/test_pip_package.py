"""A pack as a Python package: a wheel is built, installed by pip, found, listed and switched off."""

import subprocess
import sys
import zipfile

import fake_nodes
import pytest

from bridge.daemon import installed_packs, switch_pack
from bridge.errors import BridgeError
from bridge.packs import load_packs

OURS = '''
from typing import Annotated

from bridge.graph import Range, node


@node("PipDouble", category="pip")
def pip_double(value: Annotated[int, Range(0, 9)] = 1) -> int:
    """Double a number."""
    return 2 * value
'''

THEIRS = """
class Half:
    RETURN_TYPES = ("INT",)
    FUNCTION = "halve"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 2})}}

    def halve(self, value):
        return (value // 2,)


NODE_CLASS_MAPPINGS = {"PipHalf": Half}
"""

BOTH = THEIRS.replace("PipHalf", "PipThird") + 'NODE_CLASS_MAPPINGS["PipTriple"] = Half\n'


def build_wheel(folder):
    """Write a wheel with a pack of our form, one of ComfyUI's, and one that is broken."""
    files = {
        "pip_ours/__init__.py": '"""Nodes of our form."""\n',
        "pip_ours/doubling.py": OURS,
        "pip_theirs.py": THEIRS,
        "pip_both/__init__.py": BOTH,
        "pip_both/tripling.py": OURS.replace("2 *", "3 *").replace("PipDouble", "PipTriple"),
        "pip_broken.py": "raise ValueError('no')\n",
        "pip_pack-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: pip-pack\nVersion: 1.2\n",
        "pip_pack-1.2.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "pip_pack-1.2.dist-info/entry_points.txt": (
            "[framebridge.nodes]\nboth = pip_both\nours = pip_ours\n"
            "theirs = pip_theirs\nbroken = pip_broken\n"
        ),
    }
    record = "".join(f"{name},,\n" for name in [*files, "pip_pack-1.2.dist-info/RECORD"])
    wheel = folder / "pip_pack-1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in {**files, "pip_pack-1.2.dist-info/RECORD": record}.items():
            archive.writestr(name, text)
    return wheel


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    target = folder / "site"
    command = [
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(target),
        str(build_wheel(folder)),
    ]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    return target


@pytest.fixture(autouse=True)
def installed(site, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("FRAMEBRIDGE_HOME", str(tmp_path))


def test_packs_of_both_forms_are_found_and_a_broken_one_is_reported(tmp_path):
    packs = load_packs({"temp": str(tmp_path)}, fake_nodes.registry())
    functions = {each.definition.name: each for each in packs.functions}
    assert functions["PipDouble"].call(value=4) == 8
    assert functions["PipHalf"].definition.input("value").default == 2
    assert [(each.module, each.reason) for each in packs.failures] == [("broken", "ValueError: no")]


def test_a_pack_may_have_nodes_of_both_forms_and_ours_wins(tmp_path):
    packs = load_packs({"temp": str(tmp_path)}, fake_nodes.registry())
    functions = {each.definition.name: each for each in packs.functions}
    assert functions["PipTriple"].call(value=4) == 12
    assert functions["PipThird"].definition.module == "pip_both"


def test_packs_are_listed_without_importing_them():
    listed = [(pack.name, pack.package, pack.version, pack.is_off) for pack in installed_packs()]
    assert listed == [(name, "pip-pack", "1.2", False) for name in ("both", "broken", "ours", "theirs")]


def test_a_pack_is_switched_off_and_on_again(tmp_path):
    switch_pack("ours", on=False)
    switch_pack("broken", on=False)
    switch_pack("both", on=False)
    off = [pack.name for pack in installed_packs() if pack.is_off]
    assert off == ["both", "broken", "ours"]
    packs = load_packs({"temp": str(tmp_path), "without_packs": off}, fake_nodes.registry())
    assert [each.definition.name for each in packs.functions] == ["PipHalf"]
    assert packs.failures == []
    switch_pack("ours", on=True)
    assert [pack.name for pack in installed_packs() if pack.is_off] == ["both", "broken"]


def test_a_name_that_is_no_pack_is_refused():
    with pytest.raises(BridgeError, match="no pack is called 'other'") as raised:
        switch_pack("other", on=False)
    assert raised.value.code == "pack_not_found"
    assert "theirs" in raised.value.hint
