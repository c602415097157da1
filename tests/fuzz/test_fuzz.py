"""No bytes of a stranger make anything but an error of ours: what was found before, and a little more.

``FRAMEBRIDGE_FUZZ_S=60`` fuzzes each target for a minute.
"""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from . import targets

SECONDS = os.environ.get("FRAMEBRIDGE_FUZZ_S", "2")


@pytest.mark.parametrize("name", targets.TARGETS)
def test_inputs_to_begin_with_are_no_faults(name: str) -> None:
    inputs = list(targets.seeds(name))
    assert inputs
    for data in inputs:
        targets.TARGETS[name](data)


@pytest.mark.skipif(sys.platform != "linux", reason="atheris is for Linux")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", targets.TARGETS)
def test_fuzzing_finds_no_fault(name: str, tmp_path: Path) -> None:
    assert importlib.util.find_spec("atheris"), "it is among the test requirements"
    command = [sys.executable, str(Path(__file__).with_name("program.py")), name, SECONDS, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    executions = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    assert executions, done.stderr[-4000:]
    print(f"{name}: {executions[1]} executions in {SECONDS} s")
    assert int(executions[1]) > 100
