import ssl
from pathlib import Path

import httpx

from bridge.client import read_runtime
from bridge.daemon import Daemon, Settings
from bridge.server import checked_outside, read_token

from ..server.test_outside import files  # noqa: F401 - a fixture


async def test_other_machines_reach_it_by_tls_while_this_one_goes_on_as_ever(
    home: Path,
    files: dict[str, Path],  # noqa: F811
) -> None:
    where = checked_outside("127.0.0.1", 0, files["certificate"], files["key"], files["token"], ())
    token = read_token(files["token"])
    trusting = ssl.create_default_context(cafile=str(files["certificate"]))
    settings = Settings(port=0, outside=where, token=token, bootstrap="fake_library:load")
    async with Daemon(settings) as daemon, httpx.AsyncClient(verify=trusting, trust_env=False) as http:
        runtime = read_runtime()
        assert runtime is not None
        assert (runtime.port, runtime.token) == (daemon.port, token)
        assert str(daemon.outside_port) in "\n".join(daemon.greeting())
        assert token not in "\n".join(daemon.greeting())
        headers = {"Authorization": f"Bearer {token}"}
        for address in (f"http://127.0.0.1:{daemon.port}", f"https://127.0.0.1:{daemon.outside_port}"):
            assert (await http.get(f"{address}/status")).status_code == 401
            assert (await http.get(f"{address}/status", headers=headers)).status_code == 200
