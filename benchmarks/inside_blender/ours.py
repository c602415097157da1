"""One picture our way, as the live view makes it, with the time of each part."""

import time
from typing import Any

from framebridge import capture, display
from framebridge._bridge import protocol
from framebridge._bridge.host.recipe import Recipe
from framebridge._bridge.host.session import Session
from framebridge.overlay import Overlay
from framebridge.viewport import find_viewport, region_view
from framebridge.wire import frame_of
from stopwatch import Stopwatch
from view import finish_drawing, turn

WAIT_S = 30.0


class Ours:
    """Capture, send, receive, write back; the daemon's stamps come in at the end."""

    def __init__(self) -> None:
        finish_drawing()
        self._stopwatch = Stopwatch()
        self._stopwatch.watch(capture, "_draw", "draw")
        self._stopwatch.watch(capture, "_read_color", "read")
        self._stopwatch.watch(capture, "_read_depth", "read")
        self._capturer, self._overlay, self._session = capture.Capturer(), Overlay(), Session(name="blender")
        self._pushed: dict[str, tuple[dict[str, float], float, float]] = {}
        self._session.start()
        self._await(lambda: self._session.status.is_ready)
        self._session.set_live(Recipe("stylize", {}))
        self._wait_for(lambda message: isinstance(message, protocol.Accepted))

    def run(self, size: int) -> dict[str, float]:
        """Make one; returns the seconds of its parts, those between the two processes not yet among them."""
        turn()
        self._stopwatch.restart()
        spent = self._stopwatch.seconds
        began = time.monotonic()
        viewport = find_viewport()
        captured = self._capturer.capture(viewport, region_view(viewport, size, size))
        shot = time.monotonic()
        number = self._session.next_number()
        self._session.push_live(frame_of(captured, number))
        sent = time.monotonic()
        result = self._wait_for(lambda message: isinstance(message, protocol.Result))
        came = time.monotonic()
        display.show_picture(result.planes[0], display.LIVE)
        ended = time.monotonic()
        assert result.frame == number
        self._wait_for(lambda message: isinstance(message, protocol.Finished))
        parts = {
            "capture: draw": spent["draw"],
            "capture: read back": spent["read"],
            "capture: depth in metres, the rest": shot - began - spent["draw"] - spent["read"],
            "send, on the main thread": sent - shot,
            "write into the image": ended - came,
            "all": ended - began,
        }
        began = time.perf_counter()
        self._overlay._upload(display.rows_of(result.planes[0]))
        parts["onto the GPU for the overlay, instead of the image"] = time.perf_counter() - began
        self._pushed[str(number)] = parts, shot, came
        return parts

    def finish(self) -> None:
        """Add what the daemon's stamps tell to all parts that were returned, and leave."""
        request = self._session.ask("stamps")
        answer = self._wait_for(
            lambda message: isinstance(message, protocol.Answer) and message.request == request
        )
        for number, (parts, shot, came) in self._pushed.items():
            arrived, left = answer.data["frames"][number]
            parts["send, until the daemon has it"] = arrived - shot
            parts["daemon and worker"] = left - arrived
            parts["receive"] = came - left
        self._session.close()
        self._capturer.free()

    def _wait_for(self, is_wanted: Any) -> Any:
        message = self._session._client._connection.inbox.wait_for(is_wanted, WAIT_S)
        assert message is not None, self._session.status
        return message

    def _await(self, is_so: Any) -> None:
        deadline = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < deadline, self._session.status
            time.sleep(0.01)
