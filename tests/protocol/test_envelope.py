import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import LocalProtocolError, Problem, RemoteProtocolError
from bridge.protocol import (
    FORMS,
    ITEM_BYTES,
    MAX_JSON_BYTES,
    MAX_MESSAGE_BYTES,
    PREFIX,
    Accepted,
    Answer,
    Camera,
    Cancel,
    Failure,
    Finished,
    Frame,
    Free,
    Hello,
    Message,
    Plane,
    Progress,
    Query,
    Result,
    SetStream,
    StreamFrame,
    Submit,
    Welcome,
    decode,
    encode,
    encode_parts,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
counts = st.integers(0, 2**53 - 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
json_data = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | finite | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(texts, json_data, max_size=4)
problems = st.builds(Problem, ids, ids, texts, texts, texts, st.booleans())
cameras = st.builds(
    Camera,
    st.tuples(*[finite] * 16),
    st.tuples(*[finite] * 16),
    st.floats(-10, 1),
    st.floats(2, 1e6),
)


@st.composite
def planes(draw: st.DrawFn, name: str, height: int, width: int) -> Plane:
    form = FORMS.get(name)
    dtype = draw(st.sampled_from(form.dtypes if form else sorted(ITEM_BYTES)))
    channels = draw(st.sampled_from(form.channels if form else (0, 1, 2, 3, 4)))
    shape = (height, width, channels) if channels else (height, width)
    near, far = draw(st.sampled_from([(0.1, 10.0), (1.0, 2.0)])) if dtype == "u16" else (None, None)
    size = height * width * (channels or 1) * ITEM_BYTES[dtype]
    return Plane(name, shape, dtype, draw(st.binary(min_size=size, max_size=size)), "raw", near, far)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    height, width = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    names = draw(st.lists(st.sampled_from([*FORMS, "custom"]), min_size=1, max_size=5, unique=True))
    drawn = {name: draw(planes(name, height, width)) for name in names}
    return Frame(drawn, draw(st.none() | cameras), draw(counts))


messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, st.lists(counts, min_size=1, max_size=4).map(tuple), ids, texts, texts),
    st.builds(Welcome, counts, texts, ids, st.lists(texts, max_size=3).map(tuple), st.integers(1, 2**53 - 1)),
    st.builds(Submit, ids, workflow=objects, values=objects, frame=st.none() | frames(), extra=objects),
    st.builds(SetStream, ids, ids, preset=texts, values=objects, wants_preview=st.booleans()),
    st.builds(StreamFrame, ids, frames()),
    st.builds(Cancel, ids, ids),
    st.builds(Free, ids),
    st.builds(Query, ids, ids),
    st.builds(Accepted, ids, texts, counts, st.lists(problems, max_size=3).map(tuple)),
    st.builds(Answer, ids, objects),
    st.builds(Progress, texts, finite, finite, texts, texts, counts),
    st.builds(Result, texts, st.lists(planes("image", 2, 3), max_size=3).map(tuple), texts, texts, counts),
    st.builds(
        Finished,
        st.sampled_from(["done", "failed", "cancelled"]),
        outputs=objects,
        timings=st.dictionaries(texts, finite, max_size=3),
        problems=st.lists(problems, max_size=3).map(tuple),
    ),
    st.builds(Failure, st.lists(problems, min_size=1, max_size=3).map(tuple), texts, texts),
)


def frame(**changes: Any) -> dict[str, Any]:
    """The header of a good frame message, a depth plane of 2×2, with changes to the plane's description."""
    plane = {
        "name": "depth",
        "location": "inline",
        "dtype": "f32",
        "shape": [2, 2],
        "codec": "raw",
        "bytes": 16,
    }
    return {"type": "frame", "stream": "s", "frame": {"number": 1, "planes": [plane | changes]}}


def envelope(header: Any, body: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return b"FBR1" + struct.pack("<I", len(text)) + text + body


def fault(data: str | bytes) -> RemoteProtocolError:
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data)
    return caught.value


@given(messages)
def test_what_was_written_is_read_back(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages)
def test_parts_are_the_same_message(message: Message) -> None:
    data = b"".join(encode_parts(message))
    assert decode(data) == message


@given(st.binary() | st.binary().map(lambda body: b"FBR1" + struct.pack("<I", 2) + b"{}" + body) | st.text())
def test_arbitrary_bytes_raise_nothing_but_protocol_errors(data: bytes | str) -> None:
    try:
        decode(data)
    except RemoteProtocolError as error:
        error.message.encode()


@given(messages, st.data())
def test_a_damaged_message_raises_nothing_but_protocol_errors(message: Message, data: st.DataObject) -> None:
    written = encode(message)
    damaged = bytearray(written if isinstance(written, bytes) else written.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    keep = data.draw(st.integers(0, len(damaged)))
    try:
        decode(bytes(damaged[:keep]))
    except RemoteProtocolError as error:
        error.message.encode()


@given(messages, json_data, st.data())
def test_a_field_of_any_other_value_raises_nothing_but_protocol_errors(
    message: Message, value: Any, data: st.DataObject
) -> None:
    written = encode(message)
    if isinstance(written, bytes):
        length = struct.unpack_from("<4sI", written)[1]
        header, body = json.loads(written[8 : 8 + length]), written[8 + length :]
    else:
        header, body = json.loads(written), b""
    place = header
    while True:
        key = data.draw(
            st.sampled_from(sorted(place)) if isinstance(place, dict) else st.sampled_from(range(len(place)))
        )
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    try:
        decode(envelope(header, body) if body else json.dumps(header))
    except RemoteProtocolError as error:
        error.message.encode()


def test_planes_are_views_of_the_message() -> None:
    color = Plane("color", (1, 1, 3), "u8", b"abc")
    data = encode(StreamFrame("s", Frame({"color": color})))
    assert isinstance(data, bytes)
    read = decode(data)
    assert isinstance(read, StreamFrame)
    view = read.frame.planes["color"].data
    assert isinstance(view, memoryview)
    assert view.obj is data


def test_parts_share_the_memory_of_the_planes() -> None:
    pixels = bytearray(b"abc")
    parts = encode_parts(StreamFrame("s", Frame({"color": Plane("color", (1, 1, 3), "u8", pixels)})))
    assert memoryview(parts[1]).obj is pixels


def test_planes_begin_at_multiples_of_eight() -> None:
    for length in range(1, 12):
        data = encode(
            StreamFrame("s" * length, Frame({"color": Plane("color", (1, 1, 3), "u8", b"\xfa\xfb\xfc")}))
        )
        assert isinstance(data, bytes)
        assert data.index(b"\xfa\xfb\xfc") % 8 == 0


def test_a_plane_of_wider_items_is_measured_in_bytes() -> None:
    depth = memoryview(struct.pack("<4f", 1, 2, 3, 4)).cast("f", (2, 2))
    message = StreamFrame("s", Frame({"depth": Plane("depth", (2, 2), "f32", depth)}))
    assert decode(encode(message)) == StreamFrame(
        "s", Frame({"depth": Plane("depth", (2, 2), "f32", depth.tobytes())})
    )


def test_a_plane_in_pieces_is_our_fault() -> None:
    message = StreamFrame("s", Frame({"mask": Plane("mask", (1, 2), "u8", memoryview(b"abcd")[::2])}))
    with pytest.raises(LocalProtocolError, match="not in one piece"):
        encode(message)


def test_text_may_arrive_as_bytes() -> None:
    assert decode(b'{"type":"free","request":"r"}') == Free("r")


def test_unknown_fields_are_ignored() -> None:
    assert decode('{"type":"free","request":"r","urgency":{"deep":[1]}}') == Free("r")


def test_unknown_type_is_named() -> None:
    error = fault('{"type":"frea","request":"r"}')
    assert (error.code, error.message) == ("unknown_type", '"frea" is no message type')


@pytest.mark.parametrize("name", ["null", "5", "[]"])
def test_type_that_is_no_text_is_a_bad_message(name: str) -> None:
    assert fault(f'{{"type":{name}}}').code == "bad_message"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "begins with neither"),
        (b"FBR2\0\0\0\0", "begins with neither"),
        (b"FBR1\0\0", "ends after 6 B"),
        (b"FBR1" + struct.pack("<I", 3) + b"{}", "header says 3 B, got 2"),
        (b"FBR1\xff\xff\xff\xff{}", "header says 4294967295 B, got 2"),
    ],
)
def test_envelope_that_is_not_one(data: bytes, said: str) -> None:
    error = fault(data)
    assert error.code == "bad_envelope"
    assert said in error.message


@pytest.mark.parametrize("size", [0, 8, 15, 24, 32])
def test_body_of_another_length_is_a_size_mismatch(size: int) -> None:
    error = fault(envelope(frame(), bytes(size)))
    assert error.code == "size_mismatch"
    assert "header says 16 B" in error.message
    assert f"got {size}" in error.message


def test_picture_in_a_text_message_is_a_size_mismatch() -> None:
    assert fault(json.dumps(frame())).code == "size_mismatch"


@pytest.mark.parametrize(
    ("changes", "code", "said"),
    [
        ({"bytes": 12}, "size_mismatch", "is 16 B, header says 12 B"),
        ({"location": "shm"}, "unsupported_location", '"shm"'),
        ({"location": 5}, "bad_message", "frame.frame.planes[0].location: expected text"),
        ({"dtype": "f64"}, "bad_message", '"f64" is none of'),
        ({"dtype": []}, "bad_message", "expected text, got a list"),
        ({"dtype": "u8"}, "bad_message", "depth is f32 or u16, not u8"),
        ({"codec": "zip"}, "bad_message", '"zip" is none of'),
        ({"codec": "jpeg"}, "bad_message", "jpeg cannot hold f32"),
        ({"name": "mask", "dtype": "u8", "codec": "jpeg"}, "bad_message", "lossy"),
        ({"shape": [0, 2]}, "bad_message", "pixels a side"),
        ({"shape": [16385, 1]}, "bad_message", "pixels a side"),
        ({"shape": [4]}, "bad_message", "expected 2 to 3 items, got 1"),
        ({"shape": "2x2"}, "bad_message", "expected a list, got text"),
        ({"shape": [2, 2, 5]}, "bad_message", "1…4 channels"),
        ({"shape": [2, 2, 0]}, "bad_message", "1…4 channels"),
        ({"shape": [2, 2, 1]}, "bad_message", "depth has shape (H, W), not (2, 2, 1)"),
        ({"shape": [-2, -2]}, "bad_message", "expected an integer in 0…"),
        ({"shape": [2.0, 2]}, "bad_message", "expected an integer, got a number"),
        ({"shape": [True, 2]}, "bad_message", "expected an integer, got true or false"),
        (
            {"name": "color", "dtype": "u8", "codec": "jpeg", "shape": [1, 1, 3], "bytes": 0},
            "size_mismatch",
            "no bytes",
        ),
        ({"dtype": "u16", "bytes": 8}, "bad_message", "needs 0 < near < far"),
        ({"dtype": "u16", "bytes": 8, "near": 2, "far": 1}, "bad_message", "needs 0 < near < far"),
        ({"dtype": "u16", "bytes": 8, "near": 0, "far": 1}, "bad_message", "needs 0 < near < far"),
        ({"dtype": "u16", "bytes": 8, "near": "x", "far": 1}, "bad_message", "expected a number, got text"),
    ],
)
def test_plane_that_contradicts_itself(changes: dict[str, Any], code: str, said: str) -> None:
    error = fault(envelope(frame(**changes), bytes(16)))
    assert error.code == code
    assert said in error.message


def with_planes(*planes: dict[str, Any], **more: Any) -> bytes:
    header = frame()
    template = header["frame"]["planes"][0]
    header["frame"] |= {"planes": [template | changes for changes in planes], **more}
    return envelope(header, bytes(16 * len(planes)))


def test_depth_of_another_size_than_colour_is_a_size_mismatch() -> None:
    color = {"name": "color", "dtype": "u8", "shape": [1, 5, 3], "bytes": 15}
    error = fault(with_planes(color, {}))
    assert (error.code, error.message) == ("size_mismatch", 'frame.frame: "depth" is 2×2, "color" is 5×1')


def test_two_planes_of_one_name_are_refused() -> None:
    assert "one name" in fault(with_planes({}, {})).message


def test_frame_without_planes_is_refused() -> None:
    assert "expected 1 to 256 items, got 0" in fault(with_planes()).message


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (
            {"view": [1] * 15, "projection": [1] * 16, "near": 1, "far": 2},
            "camera.view: expected 16 items, got 15",
        ),
        (
            {"view": [1] * 15 + [True], "projection": [1] * 16, "near": 1, "far": 2},
            "camera.view[15]: expected a number",
        ),
        ({"view": [1] * 16, "projection": [1] * 16, "near": 1}, '"far" is missing'),
        ({"view": [1] * 16, "projection": [1] * 16, "near": 2, "far": 2}, "near 2 is not below far 2"),
        ([], "camera: expected an object, got a list"),
    ],
)
def test_camera_that_makes_no_sense(camera: Any, said: str) -> None:
    assert said in fault(with_planes({}, camera=camera)).message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('{"type":"hello"}', 'hello: "protocols" is missing'),
        ('{"type":"hello","protocols":[],"client":"x"}', "expected 1 to 32 items, got 0"),
        ('{"type":"free","request":""}', "free.request: expected 1 to 128 characters, got 0"),
        ('{"type":"free","request":null}', "free.request: expected text, got null"),
        ('{"type":"free","request":"\\ud800"}', "lone surrogate"),
        (
            '{"type":"finished","state":"done","timings":{"run":"x"}}',
            'timings."run": expected a number, got text',
        ),
        ('{"type":"finished","state":"odd"}', 'finished.state: "odd" is none of done, failed, cancelled'),
        (
            '{"type":"welcome","protocol":1,"server_version":"","session":"s","max_message_bytes":0}',
            "0 is not in 1…",
        ),
        (
            '{"type":"progress","node":"1","value":36893488147419103232,"maximum":1}',
            "value: the number is too large",
        ),
        (
            '{"type":"set_stream","request":"r","stream":"s","wants_preview":1}',
            "expected true or false, got a number",
        ),
        (
            '{"type":"set_stream","request":"r","stream":"s","preset":"x","workflow":{"1":{}}}',
            "one is wanted",
        ),
        ('{"type":"submit","request":"r","preset":"x","workflow":{"1":{}}}', "one is wanted"),
        ('{"type":"submit","request":"r","workflow":[]}', "submit.workflow: expected an object, got a list"),
        (
            '{"type":"submit","request":"r","values":{"a":{"b":[1,"\\udc00"]}}}',
            'values."a"."b"[1]: the text holds half',
        ),
        ('{"type":"submit","request":"r","values":{"a\\ud800":1}}', 'values."a?": the text holds half'),
        (
            '{"type":"submit","request":"r","values":{"seed":18446744073709551616}}',
            '"seed": the number is too large',
        ),
        ('{"type":"submit","request":"r","values":{"a":' + "[" * 64 + "]" * 64 + "}}", "more than 64 levels"),
    ],
)
def test_field_of_the_wrong_kind_is_named(data: str, said: str) -> None:
    error = fault(data)
    assert error.code == "bad_message"
    assert said in error.message


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Free(""), "free.request"),
        (Answer("r", {"x": float("nan")}), "finite"),
        (Answer("r", {"x": {1, 2}}), "expected JSON data, got set"),
        (Answer("r", {5: 1}), "expected text as name, got a number"),  # type: ignore[dict-item]
        (Finished("lost"), '"lost" is none of'),
        (StreamFrame("s", Frame({})), "expected 1 to 256 items"),
        (StreamFrame("s", Frame({"mask": Plane("mask", (2, 2), "u8", b"abc")})), "is 4 B, header says 3 B"),
    ],
)
def test_what_the_peer_would_refuse_is_our_fault(message: Message, said: str) -> None:
    with pytest.raises(LocalProtocolError, match=said):
        encode(message)


def test_nesting_without_end_is_our_fault() -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless
    with pytest.raises(LocalProtocolError, match="nested too deeply"):
        encode(Answer("r", endless))


def test_message_beyond_the_limit_is_refused_on_both_sides() -> None:
    pixels = bytes(MAX_MESSAGE_BYTES // 2)
    plane = Plane("image", (1, 1, 3), "u8", pixels, "png")
    with pytest.raises(LocalProtocolError, match="limit is 64 MiB") as caught:
        encode(Result("1", (plane, plane)))
    assert caught.value.code == "message_too_large"
    for data in (" " * (MAX_MESSAGE_BYTES + 1), bytes(MAX_MESSAGE_BYTES + 1)):
        error = fault(data)
        assert (error.code, error.close_code) == ("message_too_large", 1009)


@pytest.mark.parametrize("form", ["text", "bytes", "header"])
def test_more_json_than_anybody_should_wait_for_is_refused(form: str) -> None:
    text = '{"type":"query","request":"r","subject":"' + "x" * MAX_JSON_BYTES + '"}'
    data: str | bytes = text
    if form == "bytes":
        data = text.encode()
    elif form == "header":
        data = PREFIX.pack(b"FBR1", len(text)) + text.encode()
    with pytest.raises(RemoteProtocolError) as caught:
        decode(data)
    assert (caught.value.code, caught.value.close_code) == ("message_too_large", 0)


def test_a_message_of_too_much_json_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        encode(Answer("r", {"text": "x" * MAX_JSON_BYTES}))
    assert caught.value.code == "message_too_large"
