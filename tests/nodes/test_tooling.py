"""Pictures from and to programs beside the server."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from bridge.diffusion.kept_pictures import FileFormat
from bridge.engine import Folders, Job, running
from bridge.errors import InputError
from bridge.imaging import decode_plane
from bridge.nodes import krita, tooling
from bridge.protocol import Frame, Plane, Result


def encoded(mode: str, colour: Any, size: tuple[int, int] = (20, 16)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def given(name: str, data: bytes) -> Plane:
    return Plane(f"reference:{name}", (16, 20, 3), "u8", data, "png")


@pytest.fixture
def sent() -> list[Any]:
    return []


@pytest.fixture
def shown(tmp_path: Path, sent: list[Any]) -> Iterator[dict[str, Any]]:
    planes = {
        "grey": encoded("L", 51),
        "red": encoded("RGB", (255, 0, 51), (30, 40)),
        "clear": encoded("RGBA", (0, 255, 0, 102)),
        "broken": b"nothing",
    }
    frame = Frame({f"reference:{name}": given(name, data) for name, data in planes.items()})
    job = Job("j", Folders(tmp_path, tmp_path, tmp_path, tmp_path), emit=sent.append, frame=frame)
    with running(job, "7") as collected:
        yield collected


@pytest.mark.parametrize(
    ("name", "colour", "mask", "size"),
    [
        ("grey", (0.2, 0.2, 0.2), 0.2, (16, 20)),
        ("red", (1.0, 0.0, 0.2), 1.0, (40, 30)),
        ("clear", (0.0, 1.0, 0.0), 0.4, (16, 20)),
    ],
)
@pytest.mark.usefixtures("shown")
def test_a_picture_of_any_kind_is_loaded_by_its_id(
    name: str, colour: tuple[float, ...], mask: float, size: tuple[int, int]
) -> None:
    image, alpha = tooling.load_image_cache(name)
    assert image.shape == (1, *size, 3)
    torch.testing.assert_close(image[0, 0, 0], torch.tensor(colour))
    torch.testing.assert_close(alpha, torch.full((1, *size), mask))


@pytest.mark.usefixtures("shown")
def test_other_bytes_under_the_same_id_are_something_else() -> None:
    stamps = {tooling.given_stamp(id=name) for name in ("grey", "red", "clear")}
    assert len(stamps) == 3
    assert tooling.given_stamp(id="none") is None


@pytest.mark.usefixtures("shown")
def test_a_picture_that_did_not_come_is_told() -> None:
    with pytest.raises(InputError) as told:
        tooling.load_image_cache("none")
    assert told.value.code == "no_picture"
    with pytest.raises(InputError, match="damaged"):
        tooling.load_image_cache("broken")


@pytest.mark.parametrize(("file_format", "channels"), [("PNG", 4), ("JPEG", 3)])
async def test_pictures_are_handed_over_to_be_fetched(
    shown: dict[str, Any], sent: list[Any], file_format: FileFormat, channels: int
) -> None:
    await tooling.save_image_cache(torch.full((2, 24, 32, 4), 0.4), file_format)
    results = [message for message in sent if isinstance(message, Result)]
    assert [plane.shape for result in results for plane in result.planes] == [(24, 32, channels)] * 2
    names = [result.planes[0].name for result in results]
    entries = shown["images"]
    assert names == [f"kept:{entry['id']}" for entry in entries]
    assert {entry["content-type"] for entry in entries} == {f"image/{file_format.lower()}"}
    assert decode_plane(results[0].planes[0])[0, 0, 0] == pytest.approx(102, abs=1)


async def test_pictures_are_sent_at_once(shown: dict[str, Any], sent: list[Any]) -> None:
    await tooling.send_image_web_socket(torch.zeros(1, 24, 32, 3))
    assert sent[-1].planes[0].name == "image"
    assert shown["images"] == [{"source": "websocket", "content-type": "image/png", "type": "output"}]


def test_pictures_within_the_workflow_are_read() -> None:
    text = base64.b64encode(encoded("RGBA", (255, 0, 0, 51))).decode()
    image, mask = tooling.load_image_base64(f"data:image/png;base64,{text}")
    assert image[0, 0, 0].tolist() == [1, 0, 0]
    torch.testing.assert_close(mask, torch.full((1, 16, 20), 0.2))
    for loader in (tooling.load_image_base64, tooling.load_mask_base64):
        assert loader.node.definition.inputs[0].holds_file  # a real picture is longer than any prompt
    opaque = base64.b64encode(encoded("RGB", (255, 0, 0))).decode()
    assert (tooling.load_image_base64(opaque)[1] == 1).all()
    torch.testing.assert_close(tooling.load_mask_base64(opaque), torch.ones(1, 16, 20))
    with pytest.raises(InputError, match="base64"):
        tooling.load_mask_base64("no base64!")


def test_a_mask_becomes_alpha_of_every_picture() -> None:
    images = torch.rand(2, 8, 8, 3)
    masked = tooling.apply_mask_to_image(images, torch.full((1, 16, 16), 0.25))
    torch.testing.assert_close(masked[..., :3], images)
    torch.testing.assert_close(masked[..., 3], torch.full((2, 8, 8), 0.25))


def test_english_passes_and_other_languages_are_refused() -> None:
    assert tooling.translate("lang:en a cat, lang:en red") == "a cat, red"
    with pytest.raises(InputError) as told:
        tooling.translate("lang:de eine Katze")
    assert told.value.code == "no_translator"


async def test_krita_is_told_where_pictures_belong(shown: dict[str, Any], sent: list[Any]) -> None:
    await krita.krita_output(torch.zeros(1, 24, 32, 3), 5, 7, "face", "layers")
    assert sent[-1].planes[0].codec == "png"
    assert shown["images"][0]["source"] == "websocket"
    (info,) = shown["info"]
    assert info == {
        "name": "face",
        "offset_x": 5,
        "offset_y": 7,
        "batch_mode": "layers",
        "resize_canvas": False,
    }


def test_krita_is_told_any_value_as_text(shown: dict[str, Any]) -> None:
    krita.krita_send_text(3.5, "weight", "markdown")
    assert shown["text"] == [{"name": "weight", "text": "3.5", "content-type": "text/markdown"}]
