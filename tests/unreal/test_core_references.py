"""Pictures that an artist chose for a preset: they travel as the files that they are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from .plain import png_file
from .test_core_studio import core  # noqa: F401 - fixture


@pytest.fixture
def sent(core: Any) -> Any:  # noqa: F811
    preset_module, wire = core("_bridge.host.preset"), core("_bridge.protocol")
    picture = preset_module.Picture("reference", "Reference")
    preset = preset_module.Preset("p", "P", "", (), pictures=(picture,))
    frame = wire.Frame({"color": core("core.capture").color_plane("color", png_file(32, 16))})

    def send(file: str) -> Any:
        choices = SimpleNamespace(picture=lambda preset, name: file)
        return core("core.references").with_references(frame, choices, preset)

    return send


def test_a_picture_travels_beside_the_view_in_its_own_size(sent: Any, tmp_path: Path) -> None:
    (tmp_path / "look.png").write_bytes(png_file(48, 64))
    planes = sent(f" {tmp_path / 'look.png'} ").planes
    assert set(planes) == {"color", "reference"}
    plane = planes["reference"]
    assert (plane.shape, plane.codec) == ((64, 48, 3), "png")
    assert bytes(plane.data) == (tmp_path / "look.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "no_picture"),
        ("gone.png", "no_picture"),
        ("text.png", "bad_picture"),
        ("large.png", "bad_picture"),
    ],
)
def test_what_is_no_picture_is_refused_with_a_remedy(
    core: Any,  # noqa: F811
    sent: Any,
    tmp_path: Path,
    name: str,
    code: str,
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with open(tmp_path / "large.png", "wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(core("_bridge.errors").BridgeError) as raised:
        sent(str(tmp_path / name) if name else "")
    assert raised.value.code == code
    assert raised.value.problem.hint
