from typing import Any

from bridge.protocol import Failure, Hello
from bridge.server.requests import respond


async def test_message_that_no_session_lets_through_is_a_bug_that_is_told(caplog: Any) -> None:
    service: Any = None
    reply = await respond(service, {}, "session", Hello((1,), "test"))
    assert isinstance(reply, Failure)
    assert reply.problems[0].code == "internal_error"
    assert "Traceback" in caplog.text
