"""Nodes are described without the large libraries; a picture, or somebody who may want one, brings them."""

import subprocess
import sys

import pytest

HEAVY = "('diffusers', 'transformers', 'torch._dynamo', 'scipy')"


def modules_after(code: str) -> str:
    """Return which large libraries an interpreter has imported after some code."""
    told = f"import sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {told}"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import bridge.nodes; bridge.nodes.load({'device': 'cpu'})", ""),
        (
            "import bridge.nodes; bridge.nodes.load({'device': 'cpu'}).warm_up()",
            "diffusers transformers torch._dynamo scipy",
        ),
    ],
    ids=["ready", "warm"],
)
def test_large_libraries_are_imported_when_pictures_are_wanted(code: str, expected: str) -> None:
    assert modules_after(code) == expected
