"""``python -m bridge.engine --bootstrap bridge.nodes:load``: a worker on its standard input and output.

Only the daemon starts this. Standard output carries messages, so whatever prints is sent to standard
error instead, which the daemon writes into its log.
"""

import argparse
import asyncio
import faulthandler
import io
import logging
import os
import signal
import sys

from bridge.engine.log import IdsFilter, JsonFormatter
from bridge.engine.pipe import enlarge_pipe
from bridge.engine.worker import Worker

if sys.platform == "win32":
    import msvcrt

SWITCH_S = 0.001
"""How soon the control thread gets to run while the main thread executes Python."""

SPINS = "10000"
"""How often a thread of GCC's OpenMP asks for more work before it sleeps. The usual 300,000 keep a core busy
for a millisecond after each operation, which the 3D tool beside us could use; none at all is slower."""


def main() -> int:
    """Run a worker; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m bridge.engine", description=__doc__)
    parser.add_argument("--bootstrap", required=True, help="package.module:callable that brings the nodes")
    bootstrap = parser.parse_args().bootstrap
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # read when torch is imported
    faulthandler.enable()
    if sys.platform != "win32":
        faulthandler.register(signal.SIGUSR1)  # says what every thread is doing, even in a call that hangs
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the daemon decides
    sys.setswitchinterval(SWITCH_S)
    source, sink = take_pipes()
    log_to_daemon()

    async def serve() -> int:
        return await Worker(source, sink, bootstrap, abandon=lambda: os._exit(1)).serve()

    return asyncio.run(serve())


def log_to_daemon() -> None:
    """Write records to standard error as the daemon reads them."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(IdsFilter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def take_pipes() -> tuple[io.FileIO, io.FileIO]:
    """Keep the pipes on descriptors 0 and 1 for ourselves, and point those elsewhere."""
    descriptors = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    for descriptor in descriptors:
        enlarge_pipe(descriptor)
        if sys.platform == "win32":
            msvcrt.setmode(descriptor, os.O_BINARY)
    return io.FileIO(descriptors[0], "rb"), io.FileIO(descriptors[1], "wb")


if __name__ == "__main__":
    sys.exit(main())
