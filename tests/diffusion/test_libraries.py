"""Nodes are described without the large libraries; a picture, or somebody who may want one, brings them."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.diffusion.libraries import Library
from bridge.errors import BridgeError

HEAVY = "('diffusers', 'transformers', 'torch._dynamo', 'scipy')"
LOAD = "import bridge.nodes; library = bridge.nodes.load({'device': 'cpu'})"


def told(code: str, *path: Path) -> str:
    """Return what some code prints in an interpreter of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, Path(__file__).parents[2]]))}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def test_a_worker_is_ready_before_large_libraries_are_there() -> None:
    assert told(f"{LOAD}; import sys; print(*(name for name in {HEAVY} if name in sys.modules))") == ""


def test_preparing_for_a_picture_imports_them() -> None:
    loaded = "print('diffusers' in sys.modules, 'transformers' in sys.modules)"
    assert told(f"{LOAD}; library.warm_up(); import sys; {loaded}") == "True True"


def test_what_libraries_make_for_themselves_has_data_whoever_brings_them() -> None:
    network = "from bridge.diffusion.networks import empty_autoencoder; it = empty_autoencoder({})"
    tensors = "[each for each in gc.get_objects() if type(each) is torch.Tensor and each.is_meta]"
    assert told(f"{network}; import gc, torch; print(len({tensors}), it.device)") == "0 meta"


def test_broken_library_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "diffusers").mkdir()
    (tmp_path / "diffusers" / "__init__.py").write_text("from huggingface_hub import cached_download\n")
    code = (
        f"from bridge.errors import BridgeError\n{LOAD}\ntry:\n    library.warm_up()\n"
        "except BridgeError as error:\n    print(error.code, error.message, error.hint)"
    )
    said = told(code, tmp_path)
    assert said.startswith("worker_failed diffusers cannot be imported: ")
    assert "cached_download" in said
    assert "pip" in said


def test_pack_cannot_put_another_library_in_the_place_of_ours_nor_reach_a_hub(tmp_path: Path) -> None:
    pack, vendor = tmp_path / "nodes" / "greedy.py", tmp_path / "vendor"
    pack.parent.mkdir()
    (vendor / "diffusers").mkdir(parents=True)
    (vendor / "diffusers" / "__init__.py").write_text("AutoencoderKL = 'theirs'\n")
    pack.write_text(
        "import os, sys\nos.environ.pop('HF_HUB_OFFLINE')\n"
        f"sys.path.insert(0, {str(vendor)!r})\nNODE_CLASS_MAPPINGS = {{}}\n"
    )
    settings = {"device": "cpu", "custom_nodes": [str(pack.parent)], "temp": str(tmp_path)}
    code = (
        f"import bridge.nodes; bridge.nodes.load({settings!r})\n"
        "from bridge.diffusion.libraries import diffusers\n"
        "from huggingface_hub.constants import HF_HUB_OFFLINE\n"
        "import sys; print(diffusers.AutoencoderKL != 'theirs', HF_HUB_OFFLINE, sys.path[0])"
    )
    assert told(code) == f"True True {vendor}"


def test_library_is_asked_once_for_each_name_and_for_no_private_one() -> None:
    library = Library("json")
    assert library.dumps is vars(library)["dumps"]
    assert copy.copy(library).dumps
    with pytest.raises(BridgeError, match="json cannot be imported"):
        library.nonsense  # noqa: B018
    with pytest.raises(AttributeError):
        library._private  # noqa: B018
