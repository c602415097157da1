"""Which addresses are public, and that a connection goes to the very one that was judged."""

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.downloads import Cut, Network
from bridge.downloads.address import is_public, look_up, public_ones
from bridge.errors import BridgeError


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1",
        "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::7f00:1", "::10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:c0a8:1::1",
        "2001:0:5ef5:79fd:0:0:3f57:fefe", "localhost", "", "1.2.3",
    ],
)  # fmt: skip
def test_private_addresses_in_every_disguise(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_is_as_public_as_the_one_hidden_in_it(address: Any) -> None:
    assert is_public(str(address)) == is_public(f"::ffff:{address}")


def test_only_public_ones_are_left() -> None:
    assert public_ones("x", ["10.0.0.1", "8.8.8.8", "::1"]) == ["8.8.8.8"]
    with pytest.raises(BridgeError) as failure:
        public_ones("router", ["192.168.0.1"])
    assert failure.value.code == "private_address"
    assert "framebridge models add FILE" in failure.value.hint


def test_names_of_this_machine_are_looked_up_and_refused() -> None:
    for host in ("localhost", "127.1", "2130706433", "0x7f000001"):
        with pytest.raises(BridgeError) as failure:
            public_ones(host, look_up(host))
        assert failure.value.code == "private_address"
    with pytest.raises(Cut) as failure:
        look_up("no-such-name.invalid")
    assert failure.value.code == "unknown_host"


def test_a_name_that_means_something_else_a_moment_later_gains_nothing() -> None:
    answers = iter([["8.8.8.8"], ["127.0.0.1"]])
    dialled: list[tuple[str, int]] = []

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError("not here")

    network = Network(lambda host: next(answers), dial)
    with pytest.raises(Cut):
        network.connection("rebinding.example", 443)
    assert dialled == [("8.8.8.8", 443)]
    with pytest.raises(BridgeError) as failure:
        network.connection("rebinding.example", 443)
    assert failure.value.code == "private_address"
    assert len(dialled) == 1


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    dialled: list[str] = []

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address[0])
        raise OSError("unreachable")

    with pytest.raises(Cut) as failure:
        Network(lambda host: ["2606:2800:220:1::1", "8.8.8.8"], dial).connection("x.example", 443)
    assert dialled == ["2606:2800:220:1::1", "8.8.8.8"]
    assert failure.value.code == "no_connection"


def test_a_stranger_cannot_pose_as_a_source(port: int) -> None:
    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout)

    with pytest.raises(BridgeError) as failure:
        Network(lambda host: ["8.8.8.8"], dial).connection("huggingface.co", 443)
    assert failure.value.code == "bad_certificate"
