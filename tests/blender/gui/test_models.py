"""A second model by pasting an address: the panel of models driven by clicks and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ...downloads.conftest import Site, _server, port, site, whole  # noqa: F401 - fixtures
from ..test_models import DATA, URL, pulling_home  # noqa: F401 - fixtures
from .test_artist import scroll_to
from .window import Window, window


@pytest.fixture
def pulling_window(
    programs: None,
    user_folder: Path,
    pulling_home: Path,  # noqa: F811
    tmp_path: Path,
) -> Iterator[Window]:
    folder = tmp_path / "window"
    folder.mkdir()
    home = {"FRAMEBRIDGE_HOME": str(pulling_home)}
    with window(folder, user_folder, home, "framebridge") as opened:
        opened.run("from framebridge.studio import studio; from framebridge import model_panel")
        opened.open_tab("Framebridge")
        opened.wait("studio().link.is_ready", 60)
        for title in ("Controls", "Control Units", "Capture", "Results"):
            opened.click(title, nth=0)
            opened.wait_drawn()
        yield opened


def test_an_artist_gets_a_model_by_pasting_its_address(
    pulling_window: Window,
    site: Site,  # noqa: F811
    pulling_home: Path,  # noqa: F811
) -> None:
    site.put(URL, whole(DATA))
    here = pulling_window
    here.click("Models", nth=0)
    here.wait("len(studio().shelf.cards) > 0")
    here.wait_drawn()
    here.find("framebridge-demo", nth=0)
    here.run("bpy.context.window_manager.framebridge_models.kind = 'loras'")
    here.wait("[card.name for card in studio().shelf.cards] == ['framebridge-demo-chalkboard']")
    lacks, ui = here.find("What Is Lacking?"), here.region("UI")
    above = lacks.middle[1] - 26
    here.click_at(ui.x + 80, above, times=2)  # the field for addresses
    here.paste(URL)
    here.wait("bpy.context.window_manager.framebridge_models.source == url", url=URL)
    here.click_at(ui.x + ui.width - 44, above)  # the lens at its end
    here.wait("studio().shelf.plan is not None", 30)
    here.wait_drawn()
    scroll_to(here, "Get This Model")
    here.rest()
    here.photograph("blender-model-plan", "UI")
    here.find("Licence: MIT")
    here.click("Get This Model")
    here.wait("'chalk.safetensors' in [card.name for card in studio().shelf.cards]", 60)
    assert (pulling_home / "models" / "loras" / "chalk.safetensors").read_bytes() == DATA
    here.wait_drawn()
    scroll_to(here, "LoRAs")
    here.click("chalk", nth=0)
    here.wait("studio().shelf.card is not None and len(studio().shelf.thumbnail) > 0")
    here.wait("model_panel.preview_icon() > 0")
    scroll_to(here, "chalk on slate")
    here.rest()
    here.photograph("blender-models", "UI")
    here.click("chalk on slate")
    here.wait("'chalk on slate' in bpy.context.scene.framebridge.p_stylize.p_prompt")
    here.quit()
    assert here.faults() == []
