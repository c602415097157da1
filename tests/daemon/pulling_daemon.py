"""Runs a daemon whose sources are a server of this machine: ``pulling_daemon.py PORT_OF_THE_SERVER``."""

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bridge.daemon import Daemon, Settings
from tests.downloads.conftest import local_network


async def serve(port: int) -> None:
    daemon = Daemon(Settings(port=0, device="cpu"), local_network(port))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, daemon.stop)
    async with daemon:
        await daemon.until_stopped()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
