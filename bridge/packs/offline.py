"""While packs are imported, pip and uv find nothing: what a pack needs is the user's to install.

Some packs call pip when they are imported, which changes the environment that all of us run in. A pack that
means to get round this can; it is a program.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

WITHOUT_INDEX = {"PIP_NO_INDEX": "1", "PIP_NO_INPUT": "1", "UV_OFFLINE": "1"}


@contextmanager
def without_package_index() -> Iterator[None]:
    """Let programs that are started in the block find no packages."""
    before = {name: os.environ.get(name) for name in WITHOUT_INDEX}
    os.environ.update(WITHOUT_INDEX)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
