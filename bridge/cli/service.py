"""``framebridge serve``, ``stop`` and ``status``."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any

from bridge.cli.console import Console
from bridge.cli.request import Serving
from bridge.client import PROOF_PATH, Runtime, find_daemon, is_proof, new_nonce, state_folder
from bridge.daemon import Settings, wait_until_gone
from bridge.daemon import serve as run_daemon
from bridge.errors import BridgeError, ConnectionLost, InputError
from bridge.server import Outside, checked_outside, read_token

STOP_S = 15.0
"""How long a daemon may take to leave."""

ANSWER_S = 5.0

OUTSIDE_PORT = 8190
"""Where other machines reach the daemon, if not said otherwise."""


def serve(serving: Serving) -> None:
    """Run the daemon in this process until it is told to leave.

    Raises:
        BridgeError: ``bad_usage``, ``unsafe_host``, ``bad_certificate`` or ``bad_token_file``, and what the
            daemon raises.
    """
    settings = Settings(
        host=serving.host,
        port=serving.port,
        models=serving.models,
        output=serving.out,
        device=serving.device,
        dtype=serving.dtype,
        idle_timeout_s=serving.idle_minutes * 60,
        hang_timeout_s=serving.hang_minutes * 60,
        comfy_compatible=serving.comfy_compatible,
        webhook_hosts=serving.webhook_hosts,
        custom_nodes=serving.custom_nodes,
        outside=_outside(serving),
        token=read_token(serving.token_file) if serving.token_file else "",
        history_days=serving.history_days,
        history_bytes=int(serving.history_gb * 1024**3),
        survives_power_cuts=serving.survives_power_cuts,
    )
    run_daemon(settings)


def _outside(serving: Serving) -> Outside | None:
    """Return how to listen to other machines; options that would do nothing are a mistake."""
    if not serving.listen:
        given = {
            "--listen-port": serving.listen_port is not None,
            "--tls-cert": serving.certificate is not None,
            "--tls-key": serving.key is not None,
            "--name": bool(serving.names),
        }
        if unused := [option for option, is_given in given.items() if is_given]:
            message = f"{', '.join(unused)} without --listen: no other machine would be listened to"
            raise InputError(message, code="bad_usage", hint="Give --listen ADDRESS, too, or leave it out.")
        return None
    port = OUTSIDE_PORT if serving.listen_port is None else serving.listen_port
    files = serving.certificate, serving.key, serving.token_file
    return checked_outside(serving.listen, port, *files, tuple(serving.names))


def stop() -> None:
    """Stop the daemon and say so."""
    jobs = stop_daemon()
    rest = f"; {jobs} {'job goes' if jobs == 1 else 'jobs go'} on when it starts again" if jobs else ""
    print(f"stopped{rest}")


def stop_daemon() -> int:
    """Ask the daemon to leave, and wait until it has; return how many jobs had not ended.

    Raises:
        BridgeError: ``no_daemon``, or ``stop_timeout`` if it does not leave.
    """
    runtime = running_daemon()
    answer = ask(runtime, "POST", "/stop")
    if not wait_until_gone(state_folder(), STOP_S):
        raise BridgeError(
            f"the daemon (process {runtime.pid}) has not left after {STOP_S:g} s",
            code="stop_timeout",
            hint="It may be in the middle of a long model call; try again, or end the process.",
        )
    return int(answer.get("jobs", 0))


def status(as_json: bool) -> None:
    """Print what the daemon says of itself.

    Raises:
        BridgeError: ``no_daemon``.
    """
    runtime = running_daemon()
    answer = {"url": runtime.url, "pid": runtime.pid, **ask(runtime, "GET", "/status")}
    if as_json:
        print(json.dumps(answer, indent=2))
        return
    console = Console(highlight=False)
    detail = f" ({answer['detail']})" if answer.get("detail") else ""
    console.print(f"running at {answer['url']}, process {answer['pid']}, version {answer['version']}")
    console.print(f"worker {answer['worker']}{detail} on {answer['device'] or 'a device not known yet'}")
    console.print(
        f"{answer['queue_remaining']} jobs, {answer['streams']} live streams, {answer['clients']} clients"
    )
    if answer.get("queue_problem"):
        console.print(answer["queue_problem"], style="yellow", markup=False)
    for module, reason in answer.get("failures", {}).items():
        console.print(f"not loaded: {module}: {reason}", style="yellow", markup=False)


def running_daemon(hint: str = "Start it: framebridge serve") -> Runtime:
    """Return where the user's daemon is.

    Args:
        hint: What to do where none runs.

    Raises:
        BridgeError: ``no_daemon``.
    """
    runtime = find_daemon()
    if runtime is None:
        raise BridgeError("no daemon is running", code="no_daemon", hint=hint)
    return runtime


def ask(runtime: Runtime, method: str, path: str) -> dict[str, Any]:
    """Ask the daemon over plain HTTP, past any proxy.

    Raises:
        ConnectionLost: If it does not answer.
    """
    connection = HTTPConnection(runtime.host.strip("[]"), runtime.port, timeout=ANSWER_S)
    try:
        _meet(connection, runtime)
        connection.request(method, path, headers={"Authorization": f"Bearer {runtime.token}"})
        response = connection.getresponse()
        body: dict[str, Any] = json.loads(response.read())
    except (OSError, HTTPException, ValueError) as error:
        raise ConnectionLost(
            f"the daemon (process {runtime.pid}, port {runtime.port}) does not answer: {error}",
            hint="See daemon.log in the state folder: framebridge doctor names it.",
        ) from error
    finally:
        connection.close()
    if response.status >= 400:
        raise BridgeError(
            body.get("message", response.reason), code=body.get("code", ""), hint=body.get("hint", "")
        )
    return body


def _meet(connection: HTTPConnection, runtime: Runtime) -> None:
    """Make sure that it is our daemon before the token goes there.

    Raises:
        ConnectionLost: If it is not.
    """
    nonce = new_nonce()
    connection.request("GET", f"{PROOF_PATH}?nonce={nonce}")
    if not is_proof(connection.getresponse().read(), runtime.token, f"{runtime.host}:{runtime.port}", nonce):
        raise ConnectionLost(
            f"another program answers on port {runtime.port}; it was told nothing",
            code="not_framebridge",
            hint="End it, then start the daemon again: framebridge serve",
        )
