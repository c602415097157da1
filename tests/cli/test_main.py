import subprocess
import sys

import pytest

from bridge import __version__
from bridge.cli import EXIT_FAILED, EXIT_NO_DAEMON, EXIT_TAKEN, EXIT_USAGE, exit_code
from bridge.errors import BridgeError, ConnectionLost, ExecutionError, InputError, Problem, WorkflowError

from .conftest import Command

HEAVY = ("torch", "diffusers", "transformers", "cv2", "numpy", "PIL")


def test_help_lists_every_command(framebridge: Command) -> None:
    done = framebridge("--help")
    assert done.returncode == 0
    for name in ("serve", "stop", "status", "demo", "run", "nodes", "models", "doctor"):
        assert f" {name} " in done.stdout


def test_version_is_printed(framebridge: Command) -> None:
    assert framebridge("--version").stdout.strip() == f"framebridge {__version__}"


@pytest.mark.parametrize("module", ["bridge", "bridge.client", "bridge.cli", "bridge.cli.service"])
def test_what_must_start_at_once_imports_nothing_heavy(module: str) -> None:
    code = f"import {module}, sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (WorkflowError([Problem("unknown_node", "no such node")]), EXIT_USAGE),
        (InputError("the frame is gone", code="frame_missing"), EXIT_USAGE),
        (BridgeError("in use", code="port_in_use"), EXIT_TAKEN),
        (BridgeError("one runs", code="already_running"), EXIT_TAKEN),
        (BridgeError("none runs", code="no_daemon"), EXIT_NO_DAEMON),
        (ConnectionLost("gone"), EXIT_NO_DAEMON),
        (ExecutionError("broke"), EXIT_FAILED),
        (BridgeError("the network is down", code="no_connection"), EXIT_FAILED),
        *[
            (BridgeError("refused", code=code), EXIT_USAGE)
            for code in ("private_address", "not_https", "not_a_model", "unsafe_model", "source_not_found")
        ],
        *[
            (BridgeError("no such name", code=code), EXIT_USAGE)
            for code in (
                "unknown_node",
                "unknown_preset",
                "model_not_found",
                "pack_not_found",
                "job_not_found",
            )
        ],
    ],
)
def test_exit_codes_tell_kinds_of_faults_apart(error: BridgeError, code: int) -> None:
    assert exit_code(error) == code


def test_an_unknown_option_is_wrong_usage(framebridge: Command) -> None:
    done = framebridge("run", "x.json", "--nonsense")
    assert done.returncode == EXIT_USAGE
    assert "--nonsense" in done.stderr
