"""No code of a stranger is run, by reading the source: no ``exec``, ``eval``, pickles or shells anywhere."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("bridge", "blender_addon", "unreal_plugin")

FORBIDDEN = {
    *("exec", "eval", "compile", "__import__", "execfile"),
    *("os.system", "os.popen", "os.execv", "os.execve", "os.execvp", "os.spawnv", "pty.spawn"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open"),
    *(
        "torch.load",
        "yaml.load",
        "yaml.unsafe_load",
        "joblib.load",
        "np.load",
        "numpy.load",
        "runpy.run_path",
    ),
    *("importlib.import_module", "import_module", "importlib.util.spec_from_file_location"),
}
PLUGIN = "unreal_plugin/Framebridge/Content/Python/framebridge_unreal"
ALLOWED = {
    ("bridge/cli/__init__.py", "import_module"): "a command's own module, named in the source",
    (
        "bridge/graph/registry.py",
        "importlib.import_module",
    ): "our own nodes, and installed packs",
    (
        "bridge/packs/loading.py",
        "importlib.util.spec_from_file_location",
    ): "a pack the user names",
    ("bridge/diffusion/hed.py", "importlib.import_module"): "h5py, if installed",
    ("bridge/diffusion/libraries.py", "importlib.import_module"): "large libraries, named in the source",
    (
        "bridge/diffusion/upscaling/foreign.py",
        "importlib.import_module",
    ): "spandrel, if installed",
    ("bridge/diffusion/unpickling.py", "torch.load"): "with weights_only, and no globals but tensors",
    ("blender_addon/legacy.py", "importlib.import_module"): "the add-on's own modules",
    (f"{PLUGIN}/requirements.py", "importlib.import_module"): "the plugin's own requirements",
}
"""Where a call stands that is forbidden elsewhere, and why it may."""


@cache
def calls(package: str) -> list[tuple[str, str, ast.Call]]:
    """Return file, dotted name and call of all calls."""
    return list(_calls(package))


def _calls(package: str) -> Iterator[tuple[str, str, ast.Call]]:
    for file in sorted((ROOT / package).rglob("*.py")):
        if "wheels" in file.parts or "site-packages" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield file.relative_to(ROOT).as_posix(), ast.unparse(node.func), node


@pytest.mark.parametrize("package", PACKAGES)
def test_nothing_is_called_that_runs_what_it_is_given(package: str) -> None:
    found = [(file, name) for file, name, _ in calls(package) if name in FORBIDDEN]
    assert [call for call in found if call not in ALLOWED] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_shell_is_asked(package: str) -> None:
    shells = [
        file
        for file, _, call in calls(package)
        for keyword in call.keywords
        if keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
    ]
    assert shells == []


def test_what_is_allowed_is_there_still() -> None:
    found = {(file, name) for package in PACKAGES for file, name, _ in calls(package)}
    assert ALLOWED.keys() <= found
