"""Golden messages: what version 1 looks like on the wire, byte for byte, for ever."""

import struct
from pathlib import Path

import pytest

from bridge.errors import Problem
from bridge.protocol import (
    MESSAGES,
    Accepted,
    AddFolder,
    Answer,
    Attach,
    Camera,
    Cancel,
    CancelPull,
    CloseStream,
    Failure,
    Finished,
    Frame,
    Free,
    Hello,
    InspectWorkflow,
    LackingModels,
    ListModels,
    Message,
    ModelInfo,
    Named,
    Names,
    Plane,
    PlanPull,
    Preview,
    Progress,
    Pull,
    PullState,
    Query,
    RemovePreset,
    Result,
    SavePreset,
    SceneObject,
    SetStream,
    Started,
    State,
    StreamFrame,
    Submit,
    VerifyModel,
    Welcome,
    decode,
    encode,
)

WIRE = Path(__file__).parent.parent / "wire"

CAMERA = Camera(
    view=(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.5, 0.0, 0.0, 1.0, -4.0, 0.0, 0.0, 0.0, 1.0),
    projection=(1.5, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, -1.002, -0.2002, 0.0, 0.0, -1.0, 0.0),
    near=0.1,
    far=100.0,
)
COLOR = Plane("color", (2, 3, 3), "u8", bytes(range(18)))
DEPTH = Plane("depth", (2, 3), "f32", struct.pack("<6f", 1.5, 2.0, 2.5, 4.0, 8.0, float("inf")))
DEPTH_16 = Plane("depth", (2, 3), "u16", struct.pack("<6H", 65535, 40000, 20000, 2, 1, 0), near=0.5, far=50.0)
EXR_FRAME = Frame(
    {
        "depth": Plane("depth", (2, 3), "f32", b"v/1\x01 as OpenEXR", "exr", scale=0.01, sky=65504.0),
        "normal": Plane(
            "normal",
            (2, 3, 3),
            "f32",
            b"v/1\x01 too",
            "exr",
            rotation=(0.0, 1.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0),
        ),
    },
    CAMERA,
)
WORKFLOW = {
    "1": {"class_type": "ViewportFrame", "inputs": {}},
    "2": {"class_type": "SendToHost", "inputs": {"images": ["1", 0]}, "_meta": {"title": "Ergebnis 結果"}},
}

RANKS = Plane("object_ranks", (1, 2, 2), "u16", bytes((1, 0, 0, 0, 2, 0, 1, 0)))
SHARES = Plane("object_shares", (1, 2, 2), "u8", bytes((255, 0, 170, 85)))
NAMES = Names(
    (SceneObject("Car", within=("Traffic",), collections=(1,)), SceneObject("日本", "lib.blend")),
    (Named("Vehicles"),),
    (Named("Paint"),),
)
NAMED_FRAME = Frame({"object_ranks": RANKS, "object_shares": SHARES}, names=NAMES)

GOLDEN: dict[str, Message] = {
    "hello.json": Hello((1,), "blender", "0.1.0", session="f3a9c2"),
    "welcome.json": Welcome(1, "0.1.0", "f3a9c2", ("previews",)),
    "submit.json": Submit(
        "r1", workflow=WORKFLOW, values={"2.seed": 18446744073709551615}, extra={"workflow": {}}
    ),
    "dynamic.json": Submit(
        "r18", preset="stylize", values={"prompt": "a {red|blue} __animal__"}, dynamic=("prompt",)
    ),
    "exr.bin": StreamFrame("viewport", EXR_FRAME),
    "submit.bin": Submit(
        "r2",
        preset="Stylize",
        values={"prompt": "a red bicycle, straße", "strength": 0.75},
        frame=Frame({"color": COLOR, "depth": DEPTH}, CAMERA),
        wants_preview=True,
    ),
    "set_stream.json": SetStream(
        "r3", "viewport", preset="Stylize", values={"prompt": "clay"}, wants_preview=True
    ),
    "frame.bin": StreamFrame("viewport", Frame({"color": COLOR, "depth": DEPTH_16}, None, 41)),
    "names.bin": StreamFrame(
        "viewport", Frame({"object_ranks": RANKS, "object_shares": SHARES}, names=NAMES)
    ),
    "close_stream.json": CloseStream("viewport"),
    "cancel.json": Cancel("r4", "job-7"),
    "attach.json": Attach("r5", "job-7"),
    "free.json": Free("r6"),
    "query.json": Query("r7", "presets"),
    "inspect_workflow.json": InspectWorkflow("r20", WORKFLOW),
    "save_preset.json": SavePreset("r21", "My clay", WORKFLOW, {"3.seed": "Seed"}, {"4": "depth"}),
    "remove_preset.json": RemovePreset("r22", "my-clay"),
    "list_models.json": ListModels("r10", "loras"),
    "model_info.json": ModelInfo("r11", "loras", "chalk/board.safetensors"),
    "verify_model.json": VerifyModel("r12", "vae", "mine.safetensors"),
    "lacking_models.json": LackingModels("r13", WORKFLOW),
    "add_folder.json": AddFolder("r14", "/home/me/ComfyUI"),
    "plan_pull.json": PlanPull("r15", "hf:owner/repository/file.safetensors", name="style"),
    "pull.json": Pull("r16", "pl4n", "hf:owner/repository/file.safetensors", 134621556, "MIT"),
    "cancel_pull.json": CancelPull("r17", "pl4n"),
    "pull_state.json": PullState("pl4n", "pulling", "loras", "style.safetensors", 65536, 134621556),
    "accepted.json": Accepted(
        "r1", "job-7", 2, (Problem("unused_input", "3 has no input foo", node_id="3", is_warning=True),)
    ),
    "drawn.json": Accepted("r18", "job-8", texts={"prompt": "a red cat"}),
    "answer.json": Answer("r4", {"cancelled": True}),
    "state.json": State("busy", "loading framebridge-demo", "cuda:0", 3),
    "started.json": Started(job="job-7"),
    "progress.json": Progress("3", 4.0, 20.0, stream="viewport", frame=41),
    "preview.bin": Preview(
        "3", (Plane("preview", (4, 4, 3), "u8", b"\xff\xd8 as JPEG", "jpeg"),), job="job-7"
    ),
    "result.bin": Result(
        "2",
        (Plane("image", (2, 3, 3), "u8", bytes(18)), Plane("image", (1, 1, 4), "u8", b"\x01\x02\x03\xff")),
        stream="viewport",
        frame=41,
    ),
    "finished.json": Finished(
        "failed",
        job="job-7",
        outputs={"9": {"images": [{"filename": "a_00001_.png", "subfolder": "", "type": "output"}]}},
        timings={"queue": 0.5, "run": 1.25},
        problems=(Problem("model_not_found", 'checkpoint "x" not found', 'Nearest: "y".', "4", "ckpt_name"),),
    ),
    "error.json": Failure((Problem("bad_json", "line 1 column 9: Expecting value"),), request="r9"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_message_is_understood(name: str) -> None:
    data = (WIRE / name).read_bytes()
    assert decode(data if name.endswith(".bin") else data.decode()) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_message_is_written_byte_for_byte(name: str) -> None:
    data = encode(GOLDEN[name])
    assert isinstance(data, bytes) == name.endswith(".bin")
    assert (data if isinstance(data, bytes) else data.encode()) == (WIRE / name).read_bytes()


def test_every_message_type_has_a_golden_message() -> None:
    assert {message.type for message in GOLDEN.values()} == set(MESSAGES)


def test_every_golden_file_is_tested() -> None:
    assert {path.name for path in WIRE.iterdir()} == set(GOLDEN)
