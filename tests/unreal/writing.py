"""Write ``contract.json`` anew: ``python -m tests.unreal.writing``.

It holds names, kinds and parameters of what the plugin and these tests use, and no text of Epic's.
"""

from .checking import sources
from .cutting import reached, used_names
from .facts import HERE, OTHER, Stub, write
from .staged import SOURCES
from .stubs import NEWEST, ensure_stub

EVERYWHERE = {"World", "Level", "Package", "Transform", "Rotator", "Quat", "Vector", "LinearColor", "Class"}


def main() -> None:
    """Write the file."""
    used, members = used_names([*sources(SOURCES), *HERE.glob("*.py")])
    members |= {f"override_{name}" for name in members}  # post-process settings are switched on by these
    stub = Stub(ensure_stub(NEWEST), NEWEST)
    names = reached(stub, used | EVERYWHERE | _named_in_strings(stub, members), members)
    write(stub, names, members, OTHER)
    print(f"{OTHER}: {len(names)} classes and functions, {OTHER.stat().st_size} bytes")


def _named_in_strings(stub: Stub, members: set[str]) -> set[str]:
    """Return classes that the world names in its tables."""
    return members & {name for name in stub.names() if name[0].isupper()}


if __name__ == "__main__":
    main()
