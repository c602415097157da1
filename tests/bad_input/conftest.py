"""A job service with a real worker, on small models of every kind."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "diffusion")]

from files import write_hed, write_models  # noqa: E402
from studio import Studio  # noqa: E402
from transformer_files import write_transformers  # noqa: E402

from bridge.cli.local import local_jobs  # noqa: E402
from bridge.daemon import Settings  # noqa: E402


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("home")
    write_models(home / "models")
    write_transformers(home / "models")
    write_hed(home / "site")
    (home / "temp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEBRIDGE_HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (HERE.parents[1], HERE, home / "site"))))
        yield home


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def studio(home: Path) -> AsyncIterator[Studio]:
    settings = Settings(device="cpu", dtype="float32", threads=1, bootstrap="exhausted:load")
    async with local_jobs(settings) as jobs:
        yield Studio(jobs, home)
