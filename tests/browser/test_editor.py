"""ComfyUI's own editor on our daemon, in a real browser: load, edit, run, progress, result, drop a picture.

The tests follow each other on one page, as a user would.
"""

import io
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from .chromium import Page
from .conftest import Served

SAMPLER_NODE, OUTPUT_NODE = 5, 7
"""Of the example."""

NOT_THERE = {
    "/api/userdata": "folders that the user has not made",
    "/api/userdata/user.css": "a style of the user's own",
    "/api/userdata/comfy.templates.json": "the older editor's templates",
    "/templates/example-text-to-picture-1.webp": "an example without a picture",
}
"""What the editor asks for that does not exist with ComfyUI either, or need not."""

COUNT = "app.graph.nodes.length"


@pytest.fixture(scope="module")
def editor(served: Served, page: Page) -> Page:
    """The page after the one-time address."""
    page.open(served.entrance())
    page.until("!!(window.app?.graph && document.querySelector('canvas'))")
    return page


def test_a_stranger_sees_no_editor(served: Served, page: Page) -> None:
    page.open(served.url)
    page.until("document.readyState === 'complete'")
    assert not page.js("!!document.querySelector('canvas, script')")
    assert served.token not in page.js("document.documentElement.outerHTML")


def test_the_first_thing_to_see_are_our_templates(editor: Page, pictures: Path) -> None:
    editor.until_shown("Lines of a picture")
    editor.until_shown("Enlarge a picture")
    editor.until("[...document.images].filter(each => each.naturalWidth > 1).length >= 3")
    assert looks_like_something(editor.picture(pictures / "editor-templates.png"))


def test_a_template_is_loaded_and_run_with_progress_and_result(
    served: Served, editor: Page, pictures: Path
) -> None:
    editor.click("Lines of a picture")
    editor.until(f"{COUNT} === 13")
    editor.js("""(() => {
        const scale = app.graph.nodes.find(each => each.type === 'ImageScaleToTotalPixels');
        scale.widgets.find(each => each.name === 'megapixels').value = 0.0625;  // sooner done
        window.seen = [];
        for (const kind of ['progress', 'execution_success', 'b_preview_with_metadata'])
            app.api.addEventListener(kind, ({detail}) => seen.push([kind, detail?.node, detail?.value]));
    })()""")
    editor.click("Run")
    editor.until("seen.some(each => each[0] === 'progress')")
    editor.picture(pictures / "editor-running.png")
    editor.until("seen.some(each => each[0] === 'execution_success')")
    steps = (
        f"seen.filter(each => each[0] === 'progress' && each[1] === '{SAMPLER_NODE}').map(each => each[2])"
    )
    assert editor.js(steps)[-4:] == [1, 2, 3, 4]
    assert editor.js("seen.some(each => each[0] === 'b_preview_with_metadata')")
    editor.until(f"app.graph.getNodeById({OUTPUT_NODE}).imgs?.[0]?.naturalWidth === 256")
    assert looks_like_something(editor.picture(pictures / "editor-result.png"))
    (job,) = served.ask("/history").values()
    assert job["outputs"][str(OUTPUT_NODE)]["images"][0]["type"] == "output"
    assert job["prompt"][3]["extra_pnginfo"]["workflow"]["nodes"]


def test_what_is_edited_is_what_runs(served: Served, editor: Page) -> None:
    editor.js("""(() => {
        const text = app.graph.nodes.find(each => each.title === 'Prompt').widgets[0];
        text.value = 'watercolor';
        const sampler = app.graph.nodes.find(each => each.type === 'KSampler');
        sampler.widgets.find(each => each.name === 'steps').value = 1;
        const node = LiteGraph.createNode('ImageInvert'), shown = LiteGraph.createNode('PreviewImage');
        app.graph.add(node); app.graph.add(shown);
        app.graph.nodes.find(each => each.type === 'LoadImage').connect(0, node, 0);
        node.connect(0, shown, 0);
        seen.length = 0;
    })()""")
    editor.click("Run")
    editor.until("seen.some(each => each[0] === 'execution_success')")
    job = list(served.ask("/history").values())[-1]
    prompt = job["prompt"][2]
    assert "watercolor" in [node["inputs"].get("text") for node in prompt.values()]
    assert "ImageInvert" in [node["class_type"] for node in prompt.values()]
    assert len(job["outputs"]) == 3


def test_a_dropped_picture_brings_its_workflow(served: Served, editor: Page) -> None:
    first = next(iter(served.ask("/history").values()))
    drop(editor, first["outputs"][str(OUTPUT_NODE)]["images"][0]["filename"])
    editor.until(f"{COUNT} === 13")
    assert (
        editor.js("app.graph.nodes.find(each => each.title === 'Prompt').widgets[0].value") == "neon, night"
    )


def test_a_picture_that_a_host_had_made_brings_its_workflow_too(served: Served, editor: Page) -> None:
    blank = {"width": 64, "height": 64, "batch_size": 1, "color": 255}
    prompt = {
        "5": {"class_type": "EmptyImage", "inputs": blank},
        "8": {"class_type": "SaveImage", "inputs": {"images": ["5", 0], "filename_prefix": "host"}},
    }
    saved = served.ask("/run", json.dumps({"prompt": prompt}).encode())["outputs"]["8"]["images"][0]
    drop(editor, saved["filename"])
    editor.until(f"{COUNT} === 2")
    assert editor.js("app.graph.nodes.find(each => each.type === 'EmptyImage').widgets[0].value") == 64


def test_a_workflow_is_saved_and_there_after_a_reload(served: Served, editor: Page) -> None:
    editor.js("""app.api.storeUserData('workflows/mine.json', JSON.stringify(app.graph.serialize()),
        {overwrite: true, stringify: false, throwOnError: true})""")
    assert len(json.loads((served.home / "user/default/workflows/mine.json").read_text())["nodes"]) == 2
    editor.command("Page.reload")
    editor.until("!!(window.app?.graph && document.querySelector('canvas'))")
    assert editor.until("app.api.listUserDataFullInfo('workflows').then(found => found.length)") == 1


def test_nothing_failed_and_nothing_went_elsewhere(served: Served, editor: Page) -> None:
    answers = {(status, urlsplit(url)) for status, url in editor.answers() if url.startswith("http")}
    assert {url.netloc for _, url in answers} == {f"127.0.0.1:{served.port}"}
    failed = {(status, url.path) for status, url in answers if status >= 400 and url.path != "/"}
    assert failed <= {(404, path) for path in NOT_THERE}
    assert editor.faults() == []


def drop(editor: Page, filename: str) -> None:
    """Drop a picture of the output folder on an empty canvas."""
    editor.js("app.graph.clear()")
    editor.js(f"""(async () => {{
        const answer = await app.api.fetchApi('/view?type=output&filename={filename}');
        const held = new DataTransfer();
        held.items.add(new File([await answer.blob()], 'dropped.png', {{type: 'image/png'}}));
        const where = {{bubbles: true, cancelable: true, dataTransfer: held, clientX: 600, clientY: 700}};
        document.querySelector('canvas').dispatchEvent(new DragEvent('drop', where));
    }})()""")


def looks_like_something(picture: bytes) -> bool:
    """Tell whether a picture is more than an empty page."""
    colours = Image.open(io.BytesIO(picture)).convert("RGB").getcolors(maxcolors=2**24)
    return colours is not None and len(colours) > 1000
