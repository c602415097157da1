import importlib

import pytest
import torch
from PIL import Image

from bridge.engine import ExecutionBlocker, running
from bridge.engine.judging import judge
from bridge.graph import validate

pytestmark = pytest.mark.usefixtures("packs")


def test_a_schema_is_read(registry):
    found = registry["SchemaAdd"].definition
    inputs = {entry.name: entry for entry in found.inputs}
    assert [(each.name, each.type) for each in found.outputs] == [("total", "INT"), ("TICKET", "TICKET")]
    assert (inputs["a"].type, inputs["a"].minimum, inputs["a"].tooltip) == ("INT", 0, "The first.")
    assert (inputs["b"].type, inputs["b"].is_required) == ("INT,FLOAT", False)
    assert (inputs["mode"].type, inputs["mode"].choices) == ("COMBO", ("add", "block", "refuse"))
    assert inputs["flags"].options == {"options": ["x", "y"], "multiselect": True}
    assert (inputs["note"].is_multiline, inputs["note"].options) == (True, {"dynamicPrompts": True})
    assert found.details["experimental"]
    assert found.details["output_tooltips"] == ["a + b", None]
    assert found.hidden == {"unique_id": "UNIQUE_ID", "prompt": "PROMPT"}


async def test_values_go_in_and_hidden_ones_belong_to_the_class(run):
    add = ("SchemaAdd", {"a": 2, "b": 3, "mode": "add", "flags": {"__value__": ["x", "y"]}})
    shows = {key: ("Show", {"value": ["7", slot]}) for slot, key in enumerate(("sum", "ticket"))}
    outcome = await run({"7": add, **shows})
    assert outcome.shown["sum"]["values"] == [7]
    assert outcome.shown["ticket"]["values"] == ["ticket of 7"]


async def test_a_node_may_block_what_follows(run):
    nodes = {"7": ("SchemaAdd", {"a": 2, "mode": "block"}), "show": ("Show", {"value": ["7", 0]})}
    assert [each.message for each in (await run(nodes)).problems] == ["Show did not run: told to block"]


async def test_a_node_shows_and_asks_for_lazy_inputs(run):
    look = {"2": ("SchemaLook", {"value": ["7", 0], "wants": True}), "7": ("PackConstant", {"value": 5})}
    assert (await run(look)).shown["2"] == {"text": ["5"]}
    unwanted = {"2": ("SchemaLook", {"value": ["7", 0], "wants": False}), "7": ("PackFail", {"value": 1})}
    assert (await run(unwanted)).shown["2"] == {"text": ["None"]}


def test_a_node_that_saves_need_not_ask_for_the_workflow_to_write_it(registry, job, temp):
    definition = registry["SchemaSave"].definition
    assert definition.hidden == {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
    with running(job, "7"):
        hidden = {"prompt": job.workflow, "extra_pnginfo": job.extra}
        registry["SchemaSave"].call(images=torch.ones(1, 16, 16, 3), **hidden)
    (saved,) = temp.glob("schema*.png")
    with Image.open(saved) as picture:
        assert picture.info == {"prompt": '{"1": {}}', "workflow": "5"}


async def test_a_node_expands(value):
    nodes = {"1": ("SchemaExpanding", {"ticket": ["2", 1]}), "2": ("SchemaAdd", {"a": 1, "mode": "add"})}
    assert await value(nodes) == [len("ticket of 2")]


def test_a_validator_is_asked_by_the_names_of_its_inputs(registry, workflow):
    nodes = {"2": ("SchemaAdd", {"a": 1, "mode": "refuse"}), "show": ("Show", {"value": ["2", 0]})}
    found = validate(workflow(nodes), registry.definitions, lambda folder: [])
    (problem,) = judge(registry, found.questions(registry.definitions), 5.0)
    assert problem.message == "SchemaAdd refuses its inputs: it was told to"


def test_a_node_that_needs_a_newer_type_is_missing_alone(packs):
    reasons = {failure.module: failure.reason for failure in packs.failures}
    lacking = "it needs comfy_api.latest.io.TypeOfTomorrow of ComfyUI, which Framebridge does not have"
    assert reasons["second_form: Newer"] == lacking


# ---- io --------------------------------------------------------------------------------------


@pytest.fixture
def io(packs):
    return importlib.import_module("comfy_api.latest").io


def test_choices_know_uploads_folders_enumerations_and_routes(io):
    picture = io.Combo.Input(
        "a", options=["x.png"], upload=io.UploadType.image, image_folder=io.FolderType.temp
    )
    assert picture.declared() == (
        "COMBO",
        {"image_upload": True, "image_folder": "temp", "options": ["x.png"]},
    )
    assert io.Combo.Input("a", options=io.NumberDisplay).declared()[1] == {"options": ["number", "slider"]}
    remote = io.Combo.Input("a", remote=io.RemoteOptions("/names", refresh_button=True))
    assert remote.declared()[1] == {"remote": {"route": "/names", "refresh_button": True}}


def test_an_input_of_several_types_may_be_shown_as_one(io):
    shown = io.Float.Input("a", default=0.5, tooltip="How much.", optional=True)
    entry = io.MultiType.Input(shown, types=[io.Image, io.Float])
    assert entry.declared() == ("FLOAT,IMAGE", {"default": 0.5, "tooltip": "How much."})
    assert (entry.id, entry.optional) == ("a", True)


def test_inputs_and_outputs_may_be_of_one_type_out_of_several(io):
    either = io.MatchType.Template("t", [io.Image, io.Mask])
    assert io.MatchType.Input("a", template=either, lazy=True).declared() == ("IMAGE,MASK", {"lazy": True})
    for output in (io.MatchType.Output("b", either), io.MatchType.Output(either, "b")):
        assert (output.id, output.io_type) == ("b", "IMAGE,MASK")
    assert io.MatchType.Input("a", io.MatchType.Template("t")).get_io_type() == "*"
    assert io.MatchType.Template("t", io.Mask).io_type == "MASK"


def test_a_pack_makes_types_of_its_own(io):
    @io.comfytype(io_type="TICKET")
    class Ticket:
        pass

    assert Ticket.Input("a").declared() == ("TICKET", {})
    assert Ticket.Output().io_type == "TICKET"


def test_a_node_that_is_unfinished_says_so(io):
    with pytest.raises(NotImplementedError, match="define_schema"):
        io.ComfyNode.GET_SCHEMA()
    with pytest.raises(NotImplementedError, match="execute"):
        io.ComfyNode.execute()
    with pytest.raises(ValueError, match="two inputs"):
        io.Schema("Twice", inputs=[io.Int.Input("a"), io.Int.Input("a")])


def test_what_a_pack_does_not_write_is_harmless(io):
    assert io.ComfyNode.validate_inputs(a=1) is True
    assert io.ComfyNode.fingerprint_inputs(a=1) is None
    assert io.ComfyNode.check_lazy_status(a=1, b=None) == ["b"]
    assert not io.ComfyNode.overrides("execute")


def test_results_of_the_first_form_are_read(io):
    output = io.NodeOutput.from_dict({"result": (1, 2), "ui": {"text": ["a"]}})
    assert (output.result, output[1], output.as_dict()["ui"]) == ((1, 2), 2, {"text": ["a"]})
    blocked = io.NodeOutput.from_dict({"result": ExecutionBlocker("no")})
    assert blocked.block_execution == "no"
    assert io.NodeOutput().result is None
