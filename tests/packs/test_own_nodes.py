"""Our nodes as packs call and extend them; their methods are those of ComfyUI 0.3.64."""

import inspect

import pytest
import torch
from PIL import Image

from bridge.engine import Folders, Job, current_job, running
from bridge.errors import Interrupted
from bridge.graph import Registry
from bridge.nodes import load
from bridge.packs.foreign import read_class
from bridge.packs.shims.folders import FolderPaths
from bridge.packs.shims.own_nodes import OwnNodes

pytestmark = pytest.mark.usefixtures("packs")


@pytest.fixture(scope="module")
def ours():
    return load({"device": "cpu"}).registry


@pytest.fixture
def paths(tmp_path):
    homes = {name: str(tmp_path / name) for name in ("input", "output", "temp")}
    for name in ("input", "output", "temp", "models/loras"):
        (tmp_path / name).mkdir(parents=True)
    Image.new("RGB", (16, 16), (255, 0, 0)).save(tmp_path / "input/a.png")
    (tmp_path / "models/loras/ink.safetensors").write_bytes(b"x")
    return FolderPaths({**homes, "models": [str(tmp_path / "models")]})


@pytest.fixture
def nodes(ours, registry, paths):
    """Ours, those of the tests, and those of packs."""
    return OwnNodes(Registry([*ours.values(), *registry.values()]), paths)


@pytest.fixture
def shown(tmp_path):
    folders = Folders(tmp_path / "input", tmp_path / "output", tmp_path / "temp", tmp_path)
    with running(Job("job", folders, workflow={"1": {}}), "7", place="7.0.") as shown:
        yield shown


def test_nodes_are_classes_by_their_names(nodes):
    names = nodes.names()
    assert names["__getattr__"]("Add") is nodes["Add"] is names["NODE_CLASS_MAPPINGS"]["Add"]
    assert len(nodes) == len(list(nodes))
    with pytest.raises(AttributeError, match=r"does not have nodes\.Nothing of ComfyUI"):
        names["__getattr__"]("Nothing")


def test_each_says_what_it_takes_as_a_pack_would(nodes, ours):
    for name, function in ours.items():
        definition = read_class(name, nodes[name], "", "nodes").definition
        for entry in function.definition.inputs:
            for field in ("type", "default", "choices", "choices_from", "is_lazy", "options"):
                read = definition.input(entry.name)
                assert getattr(read, field) == getattr(entry, field), (name, entry.name, field)
        assert definition.hidden == function.definition.hidden


def test_a_pack_that_extends_an_input_finds_what_there_is_to_choose(nodes):
    kind, options = nodes["LoadImage"].INPUT_TYPES()["required"]["image"]
    assert (kind, kind.folder, options) == (["a.png"], "input", {"image_upload": True})
    assert "ink.safetensors" in nodes["LoraLoader"].INPUT_TYPES()["required"]["lora_name"][0]


def test_inputs_are_given_by_place_in_comfyuis_order_or_by_name(nodes, shown):
    image = torch.rand(1, 8, 8, 3)
    (scaled,) = nodes["ImageScale"]().upscale(image, "bilinear", 4, 2, crop="disabled")
    assert scaled.shape == (1, 2, 4, 3)
    assert nodes["Add"]().run(1, b=2) == (3,)
    for name, order in {
        "VAEDecode": ["vae", "samples"],
        "CLIPTextEncode": ["clip", "text"],
        "KSampler": ["model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive"],
    }.items():
        with pytest.raises(TypeError, match="too many positional"):
            getattr(nodes[name](), nodes[name].FUNCTION)(*range(20))
        for place, given in enumerate(order):
            with pytest.raises(TypeError, match=f"multiple values for argument '{given}'"):
                getattr(nodes[name](), nodes[name].FUNCTION)(*range(place + 1), **{given: 0})


def test_what_shows_something_leaves_it_to_the_pack(nodes, shown, tmp_path):
    assert nodes["Show"]().run(value=1) == {"ui": {"values": [1]}}
    saved = nodes["SaveImage"]().save_images(torch.ones(1, 16, 16, 3), "a", {"1": {}})
    assert saved == {"ui": {"images": [{"filename": "a_00001_.png", "subfolder": "", "type": "output"}]}}
    with Image.open(tmp_path / "output/a_00001_.png") as picture:
        assert picture.info["prompt"] == '{"1": {}}'
    assert shown == {}


def test_a_pack_extends_what_previews_and_loads(nodes, shown, tmp_path):
    class Compare(nodes["PreviewImage"]):
        def compare(self, image):
            return self.save_images(image, "compare", None, None)["ui"]["images"]

    class Preview(nodes["SaveImage"]):
        def __init__(self):
            self.type = "temp"

    class Load(nodes["LoadImage"]):
        pass

    (entry,) = Compare().compare(torch.ones(1, 16, 16, 3))
    assert (tmp_path / "temp" / entry["filename"]).exists()
    assert Preview().save_images(torch.ones(1, 16, 16, 3))["ui"]["images"][0]["type"] == "temp"
    assert nodes["SaveImage"]().output_dir == str(tmp_path / "output")
    image, mask = Load().load_image("a.png")
    assert (image[0, 0, 0].tolist(), mask.max()) == ([1, 0, 0], 0)
    assert Load.IS_CHANGED("a.png") == Load.IS_CHANGED(image="a.png")
    with pytest.raises(AttributeError, match=r"does not have nodes\.LoadImage\.other of ComfyUI"):
        _ = Load().other


def test_a_node_that_waits_is_run_to_its_end(nodes, shown):
    assert not inspect.iscoroutinefunction(nodes["PackSlow"].run)
    assert nodes["PackSlow"]().run(value=3, node="7")[0] == 3


async def test_a_node_takes_no_turn_that_another_job_holds(nodes, shown):
    async with current_job().turns.take():
        nodes["Steps"]().run(count=2)
        current_job().cancel()
        with pytest.raises(Interrupted):
            nodes["Steps"]().run(count=2)
