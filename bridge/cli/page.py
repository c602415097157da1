"""``framebridge open``: the daemon's page in a browser."""

import os
import webbrowser
from pathlib import Path

from bridge.cli.console import Console
from bridge.cli.service import ask, running_daemon
from bridge.client import state_folder
from bridge.errors import BridgeError

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Framebridge</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={address}"></html>
"""


def open_page(only_print: bool) -> None:
    """Open the page of the running daemon, or print an address that opens it once.

    The browser is given a file that only this user can read: other users can see with which arguments
    programs are started.

    Raises:
        BridgeError: ``no_daemon``; ``bad_folder`` if the file cannot be written.
    """
    runtime = running_daemon()
    answer = ask(runtime, "POST", "/framebridge/key")
    address = f"http://{runtime.host}:{runtime.port}{answer['path']}"
    if only_print:
        print(address)
        return
    is_open = webbrowser.open(_written(address).as_uri())
    lead = "if no page has opened" if is_open else "no browser was found"
    console = Console(highlight=False)
    console.print(f"{lead}, go to {address}", soft_wrap=True, markup=False)
    console.print(f"this address works once, within {answer['seconds']:g} seconds")


def _written(address: str) -> Path:
    path = state_folder() / "open.html"
    try:
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(_PAGE.format(address=address))
    except OSError as error:
        raise BridgeError(
            f"cannot write {path}: {error.strerror}",
            code="bad_folder",
            hint="framebridge open --print needs no file.",
        ) from error
    return path
