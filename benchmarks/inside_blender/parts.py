"""Pictures our way and theirs, in turn: the seconds of each part of each picture."""

from harness import REQUEST, report
from ours import Ours
from theirs import Theirs
from view import prepare

WARM_UP = 3


def parts() -> dict[str, dict[str, list[dict[str, float]]]]:
    """Return, by size and way, one entry a picture: part → seconds."""
    return {str(size): _in_turn(size) for size in REQUEST["sizes"]}


def _in_turn(size: int) -> dict[str, list[dict[str, float]]]:
    prepare()
    ours, port, folder = Ours(), REQUEST["peer_port"], REQUEST["folder"]
    ways = {
        "ours": ours,
        "theirs": Theirs(port, REQUEST["poll_s"], folder),
        "theirs, no wait": Theirs(port, 0.0, folder),
    }
    rounds = [{name: way.run(size) for name, way in ways.items()} for _ in range(WARM_UP + REQUEST["runs"])]
    ours.finish()
    return {name: [entry[name] for entry in rounds[WARM_UP:]] for name in ways}


report(parts)
