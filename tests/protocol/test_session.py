import json
from typing import Any

import pytest

from bridge.errors import LocalProtocolError, Problem
from bridge.protocol import (
    HELLO_TIMEOUT_S,
    MAX_HELLO_BYTES,
    Accepted,
    ClientSession,
    Failure,
    Free,
    Hello,
    Phase,
    ServerSession,
    Welcome,
    decode,
    encode,
)

HELLO = Hello((1,), "test")
WELCOME = Welcome(1, "0.1.0", "s1")
GARBAGE = "not json"


def replies(session: ServerSession | ClientSession) -> list[Any]:
    return [decode(data) for data in session.data_to_send()]


def open_server() -> ServerSession:
    session = ServerSession()
    assert session.receive(encode(HELLO)) == [HELLO]
    session.send(WELCOME)
    return session


def open_client() -> ClientSession:
    session = ClientSession(HELLO)
    assert replies(session) == [HELLO]
    assert session.receive(encode(WELCOME)) == [WELCOME]
    return session


def failure_of(session: ServerSession) -> Failure:
    (failure,) = replies(session)
    assert isinstance(failure, Failure)
    return failure


# ---- rule 1: hello first, in time, and small


def test_hello_opens_a_session() -> None:
    session = open_server()
    assert (session.phase, session.version, session.close_code) == (Phase.OPEN, 1, 0)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode(Free("r")), "hello_expected"),
        (encode(WELCOME), "wrong_direction"),
        (GARBAGE, "bad_json"),
        (b"\x00", "bad_envelope"),
        ('{"type":"hello"}', "bad_message"),
        ('{"type":["hello"]}', "bad_message"),
        ('{"type":"hi"}', "unknown_type"),
    ],
)
def test_anything_but_hello_ends_the_session(data: str | bytes, code: str) -> None:
    session = ServerSession()
    assert session.receive(data) == []
    assert failure_of(session).problems[0].code == code
    assert (session.phase, session.close_code, session.close_reason) == (Phase.ENDED, 4003, code)


@pytest.mark.parametrize("kind", [str, bytes])
def test_hello_beyond_its_limit_ends_the_session(kind: type[str] | type[bytes]) -> None:
    session = ServerSession()
    data = json.dumps({"type": "hello", "protocols": [1], "client": "x", "padding": "x" * MAX_HELLO_BYTES})
    assert session.receive(data if kind is str else data.encode()) == []
    assert failure_of(session).problems[0].code == "message_too_large"
    assert session.close_code == 1009


def test_hello_that_does_not_come_expires() -> None:
    session = ServerSession()
    assert session.timeout_s == HELLO_TIMEOUT_S
    session.expire()
    assert failure_of(session).problems[0].code == "hello_timeout"
    assert session.close_code == 4002


def test_open_session_does_not_expire() -> None:
    session = open_server()
    assert session.timeout_s is None
    session.expire()
    assert (session.phase, session.data_to_send()) == (Phase.OPEN, [])


# ---- rule 2: versions


def test_newest_common_version_is_chosen() -> None:
    session = ServerSession()
    assert session.receive(encode(Hello((7, 1, 3), "test"))) != []
    assert session.version == 1


@pytest.mark.parametrize(
    ("offered", "message", "hint"),
    [
        ((2, 3), "the daemon speaks protocol 1, this client speaks 2, 3", "Update Framebridge"),
        ((0,), "the daemon speaks protocol 1, this client speaks 0", "Update the add-on."),
    ],
)
def test_client_of_another_version_is_refused(offered: tuple[int, ...], message: str, hint: str) -> None:
    session = ServerSession()
    assert session.receive(encode(Hello(offered, "test"))) == []
    failure = failure_of(session)
    assert failure.problems[0].code == "unsupported_protocol"
    assert failure.problems[0].message == message
    assert failure.problems[0].hint.startswith(hint)
    assert failure.protocols == (1,)
    assert (session.close_code, session.close_reason) == (4001, "unsupported_protocol")


def test_client_names_the_versions_when_it_is_refused() -> None:
    session = ClientSession(HELLO)
    assert session.receive(encode(Failure((Problem("unsupported_protocol", "no"),), protocols=(2, 3)))) == []
    assert session.refusal == Problem(
        "unsupported_protocol", "the daemon speaks protocol 2, 3, this client speaks 1", "Update the add-on."
    )
    assert session.phase is Phase.ENDED


def test_client_refuses_a_version_it_did_not_offer() -> None:
    session = ClientSession(HELLO)
    assert session.receive(encode(Welcome(2, "9.0", "s"))) == []
    assert session.refusal is not None
    assert session.refusal.code == "unsupported_protocol"
    assert session.close_code == 4001


def test_client_keeps_the_reason_of_another_refusal() -> None:
    session = ClientSession(HELLO)
    problem = Problem("too_many_clients", "no room", "Come back later.")
    assert session.receive(encode(Failure((problem,)))) == []
    assert session.refusal == problem
    assert session.close_code == 1000


# ---- rule 3: silence between hello and welcome


def test_impatient_client_is_sent_away() -> None:
    session = ServerSession()
    session.receive(encode(HELLO))
    assert session.receive(encode(Free("r"))) == []
    failure = failure_of(session)
    assert (failure.problems[0].code, failure.request) == ("out_of_order", "r")
    assert session.close_code == 4003


def test_server_says_nothing_before_welcome_but_error() -> None:
    session = ServerSession()
    with pytest.raises(LocalProtocolError, match="nobody has spoken"):
        session.send(WELCOME)
    with pytest.raises(LocalProtocolError, match="nobody has spoken"):
        session.send(Failure((Problem("x", "y"),)))
    session.receive(encode(HELLO))
    with pytest.raises(LocalProtocolError, match="hello was said"):
        session.send(Accepted("r"))
    session.send(Failure((Problem("x", "y"),)))
    session.send(WELCOME)
    session.send(Accepted("r"))
    with pytest.raises(LocalProtocolError, match="out of order"):
        session.send(WELCOME)


def test_client_says_nothing_before_welcome() -> None:
    session = ClientSession(HELLO)
    with pytest.raises(LocalProtocolError, match="hello was said"):
        session.send(Free("r"))


def test_client_expects_welcome_first() -> None:
    session = ClientSession(HELLO)
    assert session.receive(encode(Accepted("r"))) == []
    assert session.refusal is not None
    assert session.refusal.code == "out_of_order"
    assert session.close_code == 1002


def test_welcome_that_does_not_come_expires() -> None:
    session = ClientSession(HELLO)
    assert session.timeout_s == HELLO_TIMEOUT_S
    session.expire()
    assert session.refusal is not None
    assert session.refusal.code == "hello_timeout"
    assert session.close_code == 4002
    opened = open_client()
    opened.expire()
    assert opened.phase is Phase.OPEN


# ---- rule 4: free talk, each side its own vocabulary


def test_messages_pass_in_both_directions() -> None:
    server, client = open_server(), open_client()
    assert server.receive(client.send(Free("r"))) == [Free("r")]
    assert client.receive(server.send(Accepted("r"))) == [Accepted("r")]
    assert client.version == server.version == 1


def test_nobody_speaks_the_other_sides_words() -> None:
    with pytest.raises(LocalProtocolError, match='"free" is not for us to say'):
        open_server().send(Free("r"))
    with pytest.raises(LocalProtocolError, match='"welcome" is not for us to say'):
        open_client().send(WELCOME)


def test_nobody_says_hello_twice() -> None:
    server, client = open_server(), open_client()
    with pytest.raises(LocalProtocolError, match="out of order"):
        client.send(HELLO)
    assert server.receive(encode(HELLO)) == []
    assert failure_of(server).problems[0].code == "out_of_order"
    (failure,) = client.receive(encode(WELCOME))
    assert isinstance(failure, Failure)
    assert failure.problems[0].code == "out_of_order"
    assert Phase.OPEN is server.phase is client.phase


# ---- rule 5: nonsense does no harm, until it is too much


@pytest.mark.parametrize(
    ("data", "code", "request_id", "stream"),
    [
        (GARBAGE, "bad_json", "", ""),
        (encode(WELCOME), "wrong_direction", "", ""),
        ('{"type":"submit","request":"r7","workflow":5}', "bad_message", "r7", ""),
        ('{"type":"frame","stream":"live","frame":{}}', "bad_message", "", "live"),
        ('{"type":"cancel","request":["r"],"job":"j"}', "bad_message", "", ""),
        ('{"type":"free","request":"\\ud800"}', "bad_message", "", ""),
        ('{"type":"nonsense","request":"r8"}', "unknown_type", "r8", ""),
    ],
)
def test_nonsense_is_answered_and_the_session_lives(
    data: str | bytes, code: str, request_id: str, stream: str
) -> None:
    session = open_server()
    assert session.receive(data) == []
    failure = failure_of(session)
    assert (failure.problems[0].code, failure.request, failure.stream) == (code, request_id, stream)
    assert session.receive(encode(Free("r"))) == [Free("r")]


def test_nonsense_is_reported_to_the_host_and_the_session_lives() -> None:
    session = open_client()
    (failure,) = session.receive(GARBAGE)
    assert isinstance(failure, Failure)
    assert failure.problems[0].code == "bad_json"
    assert (session.data_to_send(), session.phase) == ([], Phase.OPEN)


def test_ten_faults_in_a_row_end_the_session() -> None:
    session = open_server()
    for _ in range(9):
        session.receive(GARBAGE)
    assert session.close_code == 0
    session.receive(GARBAGE)
    assert len(replies(session)) == 10
    assert (session.close_code, session.close_reason) == (4004, "bad_json")


def test_a_sound_message_forgives_the_faults_before_it() -> None:
    session = open_server()
    for _ in range(3):
        for _ in range(9):
            session.receive(GARBAGE)
        session.receive(encode(Free("r")))
    assert session.phase is Phase.OPEN


# ---- rule 6: the end


def test_ended_session_hears_and_says_nothing() -> None:
    session = open_server()
    session.end(1001, "idle")
    assert session.receive(encode(Free("r"))) == []
    assert (session.close_code, session.close_reason) == (1001, "idle")
    with pytest.raises(LocalProtocolError, match="nobody may speak"):
        session.send(Accepted("r"))
    assert session.timeout_s is None
