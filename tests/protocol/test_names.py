import dataclasses

import pytest

from bridge.errors import RemoteProtocolError
from bridge.protocol import (
    MAX_NAMES,
    Frame,
    Named,
    Names,
    Plane,
    SceneObject,
    StreamFrame,
    decode,
    encode,
    place_in,
)

NAMES = Names(
    (SceneObject("Rad 車:ü\n", "lib.blend", ("Car",), (2,), (1,)), SceneObject("x" * 255)),
    (Named("Street"), Named("Cars", "lib.blend")),
    (Named("Paint"),),
)
FRAME = Frame({"color": Plane("color", (1, 1, 3), "u8", bytes(3))}, names=NAMES)


def test_names_travel_unchanged() -> None:
    message = decode(encode(StreamFrame("live", FRAME)))
    assert isinstance(message, StreamFrame)
    assert message.frame.names == NAMES


def test_a_frame_without_names_is_written_as_ever() -> None:
    assert "names" not in dataclasses.replace(FRAME, names=None).to_json()


def test_digest_sees_names() -> None:
    renamed = Names((SceneObject("y"),))
    frames = (FRAME, dataclasses.replace(FRAME, names=renamed), dataclasses.replace(FRAME, names=None))
    assert len({frame.digest for frame in frames}) == 3


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], r"^names: expected an object"),
        ({"objects": [{"name": ""}]}, r"^names.objects\[0\].name: expected 1 to 255 characters, got 0"),
        ({"objects": [{"name": "x" * 256}]}, r"^names.objects\[0\].name: expected 1 to 255"),
        ({"materials": [{"name": "\ud800"}]}, r"^names.materials\[0\].name: .* half a character"),
        ({"objects": [{"name": "x", "collections": [1]}]}, r"objects\[0\].collections: there is no number 1"),
        ({"objects": [{"name": "x", "materials": [0]}]}, r"objects\[0\].materials: there is no number 0"),
    ],
)
def test_fault_names_its_place(data: object, place: str) -> None:
    with pytest.raises(RemoteProtocolError, match=place):
        Names.read(data, place_in("names"))


def test_more_names_than_a_frame_may_hold_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match=f"{MAX_NAMES + 1} names are more than") as caught:
        Names.read({"collections": [{"name": "x"}] * (MAX_NAMES + 1)}, place_in("names"))
    assert caught.value.code == "too_many_names"
    assert caught.value.hint
