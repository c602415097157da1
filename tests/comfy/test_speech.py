"""Prompts and pictures over the socket alone: no file, no second connection."""

import json
import struct

import numpy as np
import pytest
from workflows import changed, picture

from bridge.imaging import encode_png


def a_png(value=5):
    return encode_png(np.full((8, 8, 3), value, np.uint8))


def with_head(kind, head, body=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">II", kind, len(text)) + text + body


def test_prompt_is_taken_and_told(site, listener):
    listener.say({"type": "prompt", "data": {"prompt": picture(), "request": "r1", "client_id": "another"}})
    accepted = listener.until("prompt_accepted")
    assert accepted["request"] == "r1"
    assert listener.until_over(accepted["prompt_id"])[-2]["type"] == "status"


def test_prompt_that_cannot_run_is_refused_in_the_words_of_the_route(site, listener):
    listener.say({"type": "prompt", "data": {"prompt": changed(width=0), "request": 2}})
    refused = listener.until("prompt_refused")
    assert refused["request"] == 2
    assert refused["node_errors"]["1"]["errors"][0]["type"] == "value_smaller_than_min"


@pytest.mark.parametrize(
    ("request_name", "said_back"), [("A" * 100_000, "A" * 200), ({"a": "A" * 100_000}, None), (1e300, None)]
)
def test_little_of_what_a_prompt_is_called_is_said_back(site, listener, request_name, said_back):
    listener.say({"type": "prompt", "data": {"request": request_name}})
    assert listener.until("prompt_refused")["request"] == said_back


def test_picture_is_kept_and_given_back(site, listener):
    data = a_png()
    listener.say(with_head(100, {"id": "mine"}, data))
    assert listener.until("picture_kept") == {"id": "mine"}
    listener.say({"type": "picture", "data": {"id": "mine"}})
    while isinstance(answer := listener.next(), dict):
        pass
    kind, length = struct.unpack(">II", answer[:8])
    assert kind == 4
    assert json.loads(answer[8 : 8 + length]) == {"id": "mine", "image_type": "image/png"}
    assert answer[8 + length :] == data
    assert site.http.get("/api/etn/image/mine").content == data


@pytest.mark.parametrize(("picture_id", "data"), [("../x", b"\x89PNG"), ("a", b"no picture"), ("b", b"")])
def test_picture_that_is_none_is_refused(site, listener, picture_id, data):
    listener.say(with_head(100, {"id": picture_id}, data))
    refused = listener.until("picture_refused")
    assert refused["id"] == picture_id
    assert refused["code"]
    assert refused["hint"]


def test_picture_that_is_not_there_is_told(site, listener):
    listener.say({"type": "picture", "data": {"id": "unknown"}})
    assert listener.until("picture_refused")["code"] == "picture_not_kept"


NONSENSE = {
    "no prefix": b"\0\0",
    "another kind": with_head(7, {"id": "x"}),
    "too long a head": struct.pack(">II", 100, 2**31),
    "no json": with_head(100, b"{"),
    "no id": with_head(100, {}),
    "no data": '{"type": "prompt"}',
    "another type": '{"type": "sing", "data": {}}',
}


@pytest.mark.parametrize("said", list(NONSENSE))
def test_nonsense_is_passed_over(site, listener, said):
    listener.say(NONSENSE[said])
    listener.say({"type": "picture", "data": {"id": 5}})
    assert listener.until("picture_refused")["id"] == 5
