"""The client library that hosts and scripts share: standard library and ``websockets`` only."""

from .address import DEFAULT_PORT, PATH, parse_address
from .client import Client, connect
from .connection import Status
from .discovery import NOT_RUNNING, default_command, ensure_daemon, find_daemon, launch_daemon, start_daemon
from .logs import last_lines, log_file
from .outcome import Outcome, error_from, error_of
from .processes import NO_WINDOW, is_running
from .proof import PROOF_PATH, is_proof, new_nonce, proof_of
from .runtime import Runtime, read_runtime, remove_runtime, runtime_file, state_folder, write_runtime
from .stream import Stream
from .target import Locator, Target

__all__ = [
    "DEFAULT_PORT",
    "NOT_RUNNING",
    "NO_WINDOW",
    "PATH",
    "PROOF_PATH",
    "Client",
    "Locator",
    "Outcome",
    "Runtime",
    "Status",
    "Stream",
    "Target",
    "connect",
    "default_command",
    "ensure_daemon",
    "error_from",
    "error_of",
    "find_daemon",
    "is_proof",
    "is_running",
    "last_lines",
    "launch_daemon",
    "log_file",
    "new_nonce",
    "parse_address",
    "proof_of",
    "read_runtime",
    "remove_runtime",
    "runtime_file",
    "start_daemon",
    "state_folder",
    "write_runtime",
]
