"""What waits for a client's socket: in order, bounded, and taken along by the next connection."""

import json
import struct

from bridge.comfy import outlet as outlet_module
from bridge.comfy.outlet import Outlet, written
from bridge.comfy.told import Event, Picture, Words


def picture(size=10, **more):
    return Picture("image/png", b"x" * size, {"node_id": "1"}, **{"is_passing": False, **more})


async def test_messages_come_out_in_order():
    outlet = Outlet()
    outlet.put(Event("a", {}))
    outlet.put(Event("b", {"n": 1}))
    assert [json.loads(text)["type"] for text in await outlet.get()] == ["a", "b"]


async def test_texts_come_out_together_up_to_the_next_picture_and_a_few_at_once(monkeypatch):
    monkeypatch.setattr(outlet_module, "TEXTS_AT_ONCE", 2)
    outlet = Outlet()
    for message in (Event("a", {}), picture(), Event("b", {}), Event("c", {}), Event("d", {})):
        outlet.put(message)
    taken = [await outlet.get() for _ in range(4)]
    assert [len(each) if isinstance(each, list) else "picture" for each in taken] == [1, "picture", 2, 1]


def test_what_is_passing_is_left_out_while_much_waits():
    outlet = Outlet()
    outlet.put(picture(outlet_module.FULL_BYTES))
    outlet.put(picture(is_passing=True))
    outlet.put(Event("kept", {}))
    assert len(outlet.take()) == 2


def test_reader_that_lets_too_much_pile_up_is_hopeless():
    outlet = Outlet()
    outlet.put(picture(outlet_module.MAX_BYTES - outlet_module.MESSAGE_BYTES))
    assert not outlet.overflow.is_set()
    outlet.put(picture(1))
    assert outlet.overflow.is_set()


def test_too_many_messages_are_hopeless_too(monkeypatch):
    monkeypatch.setattr(outlet_module, "MAX_MESSAGES", 3)
    outlet = Outlet()
    for _ in range(4):
        outlet.put(Event("e", {}))
    assert outlet.overflow.is_set()


def test_picture_is_described_only_to_those_that_can_read_it():
    assert written(picture(2), takes_metadata=False) == struct.pack(">II", 1, 2) + b"xx"
    described = written(picture(2), takes_metadata=True)
    about = json.dumps({"node_id": "1", "image_type": "image/png"}).encode()
    assert described == struct.pack(">II", 4, len(about)) + about + b"xx"
    assert written(picture(2, is_described=True), takes_metadata=False) == described


def test_words_are_sent_only_to_those_that_can_read_them():
    outlet = Outlet()
    outlet.put(Words("12", "loading"))
    assert outlet.take() == []
    outlet.takes_metadata = True
    outlet.put(Words("12", "loading"))
    [words] = outlet.take()
    assert written(words, takes_metadata=True) == struct.pack(">II", 3, 2) + b"12loading"
