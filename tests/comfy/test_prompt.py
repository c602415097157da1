"""POST /prompt: what is accepted, and what is refused in the words of ComfyUI (comfyui-transcript.txt)."""

import json
import uuid

import pytest
from workflows import changed, picture, through

from bridge.comfy.prompt import PromptRefused, _storable

WIDTH = ["INT", {"default": 512, "min": 1, "max": 16384, "step": 1}]
BAD_LINK = "Bad linked input, must be a length-2 list of [node_id, slot_index]"


def refused(site, workflow, **more):
    answer = site.post("/prompt", {"prompt": workflow, **more})
    assert answer.status_code == 400, answer.text
    return answer.json()


def fault(told):
    """What ComfyUI tells of a fault; we add our code and hint to its extra_info."""
    extra = {name: value for name, value in told["extra_info"].items() if name not in ("code", "hint")}
    return {**told, "extra_info": extra}


def only_fault(body, node):
    assert body["error"]["type"] == "prompt_outputs_failed_validation"
    assert body["error"]["message"] == "Prompt outputs failed validation"
    assert list(body["node_errors"]) == [node]
    [told] = body["node_errors"][node]["errors"]
    return fault(told)


def test_accepted_prompt_is_answered_with_its_id_and_number(site):
    first, second = site.prompt(picture()), site.prompt(picture())
    assert set(first) == {"prompt_id", "number", "node_errors"}
    assert str(uuid.UUID(first["prompt_id"])) == first["prompt_id"]
    assert second["number"] > first["number"]
    assert first["node_errors"] == {}


def test_client_may_name_its_prompt(site):
    own = str(uuid.uuid4())
    assert site.prompt(picture(), prompt_id=own)["prompt_id"] == own
    again = site.post("/prompt", {"prompt": picture(), "prompt_id": own})
    assert (again.status_code, again.json()["error"]["type"]) == (409, "job_exists")


@pytest.mark.parametrize("own", ["mine", 7, uuid.UUID(int=5).hex, str(uuid.UUID(int=0xABC)).upper(), ["x"]])
def test_name_that_is_no_canonical_uuid_is_refused(site, own):
    assert refused(site, picture(), prompt_id=own)["error"]["type"] == "invalid_prompt_id"


@pytest.mark.parametrize("body", [{}, None, {"prompt": None}, {"client_id": "x"}])
def test_nothing_to_run(site, body):
    told = site.post("/prompt", body)
    assert told.status_code == 400
    details = "No prompt provided"
    assert told.json() == {
        "error": {"type": "no_prompt", "message": details, "details": details, "extra_info": {}},
        "node_errors": {},
    }


def test_node_without_a_class(site):
    assert fault(refused(site, {"1": {"inputs": {}}})["error"]) == {
        "type": "invalid_prompt",
        "message": "Cannot execute because a node is missing the class_type property.",
        "details": "Node ID '#1'",
        "extra_info": {},
    }


def test_unknown_class_refuses_all(site):
    body = refused(site, {**picture(), "9": {"class_type": "Nope", "inputs": {}}})
    assert fault(body["error"]) == {
        "type": "invalid_prompt",
        "message": "Cannot execute because node Nope does not exist.",
        "details": "Node ID '#9'",
        "extra_info": {},
    }
    assert body["node_errors"] == {}


@pytest.mark.parametrize("targets", [None, [], ["77"], ["1"]])
def test_no_outputs(site, targets):
    workflow = picture()
    if targets is None:
        del workflow["2"]
    told = refused(site, workflow, partial_execution_targets=targets)["error"]
    assert (told["type"], told["message"]) == ("prompt_no_outputs", "Prompt has no outputs")


def test_only_named_targets_run(site):
    workflow = {**picture(), "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}}}
    job = site.prompt(workflow, partial_execution_targets=["3"])["prompt_id"]
    assert list(site.finished(job)["outputs"]) == ["3"]


def test_missing_input(site):
    body = refused(site, changed(width=...))
    assert only_fault(body, "1") == {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": "width",
        "extra_info": {"input_name": "width"},
    }
    assert body["node_errors"]["1"]["dependent_outputs"] == ["2"]
    assert body["node_errors"]["1"]["class_type"] == "EmptyImage"
    assert body["error"]["details"] == ""


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (0, "value_smaller_than_min", "Value 0 smaller than min of 1"),
        ("0", "value_smaller_than_min", "Value 0 smaller than min of 1"),
        (99999, "value_bigger_than_max", "Value 99999 bigger than max of 16384"),
    ],
)
def test_number_out_of_its_range(site, value, kind, message):
    assert only_fault(refused(site, changed(width=value)), "1") == {
        "type": kind,
        "message": message,
        "details": "width",
        "extra_info": {"input_name": "width", "input_config": WIDTH, "received_value": int(value)},
    }


def test_value_of_another_type(site):
    told = only_fault(refused(site, changed(width="abc")), "1")
    assert told["type"] == "invalid_input_type"
    assert told["message"] == "Failed to convert an input value to a INT value"
    assert told["details"].startswith("width, abc, ")
    assert told["extra_info"]["received_value"] == "abc"
    assert told["extra_info"]["input_config"] == WIDTH
    assert told["extra_info"]["exception_message"]


def test_link_that_is_no_pair(site):
    workflow = picture()
    workflow["2"]["inputs"]["images"] = ["1"]
    body = refused(site, workflow)
    assert only_fault(body, "2") == {
        "type": "bad_linked_input",
        "message": BAD_LINK,
        "details": "images",
        "extra_info": {"input_name": "images", "input_config": ["IMAGE", {}], "received_value": ["1"]},
    }
    assert body["error"]["details"] == f"{BAD_LINK}: images"


def test_link_to_a_slot_that_is_not_there(site):
    workflow = picture()
    workflow["2"]["inputs"]["images"] = ["1", 5]
    told = only_fault(refused(site, workflow), "2")
    assert told["type"] == "bad_linked_input"
    assert "asked for slot 5" in told["details"]


def test_link_to_a_node_that_is_not_there_names_it(site):
    workflow = picture()
    workflow["2"]["inputs"]["images"] = ["9", 0]
    told = only_fault(refused(site, workflow), "2")
    assert told["type"] == "exception_during_validation"
    assert "node 9, which does not exist" in told["details"]
    assert told["extra_info"]["traceback"] == []


def test_link_of_another_type(site):
    workflow = {
        **picture(),
        "3": {"class_type": "VAELoader", "inputs": {}},
        "4": {"class_type": "VAEDecode", "inputs": {"samples": ["1", 0], "vae": ["3", 0]}},
        "5": {"class_type": "PreviewImage", "inputs": {"images": ["4", 0]}},
    }
    del workflow["2"]
    assert only_fault(refused(site, workflow), "4") == {
        "type": "return_type_mismatch",
        "message": "Return type mismatch between linked nodes",
        "details": "samples, received_type(IMAGE) mismatch input_type(LATENT)",
        "extra_info": {
            "input_name": "samples",
            "input_config": ["LATENT", {}],
            "received_type": "IMAGE",
            "linked_node": ["1", 0],
        },
    }


def test_value_that_is_not_in_the_list(site):
    workflow = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x.safetensors"}},
        "2": {"class_type": "PreviewAny", "inputs": {"source": ["1", 0]}},
    }
    told = only_fault(refused(site, workflow), "1")
    assert (told["type"], told["message"]) == ("value_not_in_list", "Value not in list")
    assert told["details"].startswith("ckpt_name: 'x.safetensors' not in [")
    assert told["extra_info"]["received_value"] == "x.safetensors"
    assert told["extra_info"]["input_config"][0] == json.loads(
        told["details"].partition(" not in ")[2].replace("'", '"')
    )


def test_picture_that_is_not_there(site):
    assert only_fault(refused(site, through("LoadImage", image="zz.png")), "1") == {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": "image - Invalid image file: zz.png",
        "extra_info": {"input_name": "image"},
    }


def test_cycle_names_its_nodes(site):
    workflow = {
        "1": {"class_type": "Fail", "inputs": {"images": ["2", 0], "text": ""}},
        "2": {"class_type": "Fail", "inputs": {"images": ["1", 0], "text": ""}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    told = only_fault(refused(site, workflow), "1")
    assert told["type"] == "exception_during_validation"
    assert "1 → 2 → 1" in told["details"] or "2 → 1 → 2" in told["details"]


def test_outputs_that_are_not_at_fault_run(site):
    workflow = {
        **picture(),
        "3": {
            "class_type": "EmptyImage",
            "inputs": {"width": 0, "height": 4, "batch_size": 1, "color": 0},
        },
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    accepted = site.prompt(workflow)
    assert accepted["node_errors"]["3"]["errors"][0]["type"] == "value_smaller_than_min"
    assert accepted["node_errors"]["3"]["dependent_outputs"] == ["4"]
    assert list(site.finished(accepted["prompt_id"])["outputs"]) == ["2"]


def test_values_are_converted_and_strange_inputs_passed_over(site):
    accepted = site.prompt(changed(width="4", height=4.7, unheard_of=1))
    assert accepted["node_errors"] == {}
    assert site.finished(accepted["prompt_id"])["status"]["completed"]


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b'"x"', b"[" * 100_000])
def test_body_that_is_no_object_is_told_so(site, body):
    told = site.http.post("/prompt", content=body)
    assert told.status_code == 400
    assert told.json()["code"] == "bad_json"
    assert told.json()["hint"]


def test_body_beyond_what_a_worker_takes_is_refused(site):
    told = site.post("/prompt", {"prompt": picture(), "extra_data": {"extra_pnginfo": {"x": "y" * 2**22}}})
    assert (told.status_code, told.json()["code"]) == (413, "message_too_large")


def test_prompt_that_is_no_object_of_nodes(site):
    assert refused(site, [1])["error"]["type"] == "invalid_prompt"
    assert refused(site, {"1": 7})["error"]["type"] == "invalid_prompt"


def test_keys_of_other_services_are_not_kept(site):
    extra = {"extra_pnginfo": {"workflow": {"id": "w"}}, "api_key_comfy_org": "secret"}
    job = site.prompt(picture(), extra_data=extra, client_id="keeper")["prompt_id"]
    kept = site.finished(job)["prompt"][3]
    assert kept["extra_pnginfo"] == {"workflow": {"id": "w"}}
    assert kept["client_id"] == "keeper"
    assert "secret" not in json.dumps(kept)


def test_drawing_of_the_editor_is_converted(site):
    drawing = {
        "nodes": [
            {"id": 1, "type": "EmptyImage", "mode": 0, "inputs": [], "widgets_values": [4, 4, 1, 99]},
            {"id": 2, "type": "PreviewImage", "mode": 0, "inputs": [{"name": "images", "link": 7}]},
            {"id": 3, "type": "Note", "widgets_values": ["hello"]},
        ],
        "links": [[7, 1, 0, 2, 0, "IMAGE"]],
        "version": 0.4,
    }
    entry = site.finished(site.prompt(drawing)["prompt_id"])
    assert entry["prompt"][2] == picture(99)
    assert entry["prompt"][3]["extra_pnginfo"]["workflow"] == drawing
    assert entry["outputs"]["2"]["images"]


def test_remaining_jobs_are_counted(site, listener):
    assert site.http.get("/prompt").json() == {"exec_info": {"queue_remaining": 0}}
    site.prompt(through("Forever"))
    assert site.http.get("/api/prompt").json() == {"exec_info": {"queue_remaining": 1}}


@pytest.mark.parametrize("number", ["[]", '"x"', "1e999", "-1e999", "NaN", "1" + "0" * 400, "{}"])
def test_number_that_is_no_place_in_the_queue_is_refused(site, number):
    body = f'{{"prompt": {json.dumps(picture())}, "number": {number}}}'
    told = site.http.post("/prompt", content=body.encode())
    assert told.status_code == 400
    assert told.json()["error"]["type"] == "invalid_prompt"


def test_numbers_that_are_none_are_refused_in_workflows_and_null_beside_them(site):
    body = f'{{"prompt": {json.dumps(changed(width=0)).replace(": 0", ": NaN", 1)}}}'
    assert site.http.post("/prompt", content=body.encode()).status_code == 400
    extra = '{"extra_pnginfo": {"x": [Infinity, 1e999, NaN, 1]}}'
    beside = f'{{"prompt": {json.dumps(picture())}, "extra_data": {extra}}}'
    told = site.http.post("/prompt", content=beside.encode())
    assert told.status_code == 200
    kept = site.finished(told.json()["prompt_id"])["prompt"][3]["extra_pnginfo"]
    assert kept == {"x": [None, None, None, 1]}


def test_notes_for_pictures_without_end_are_refused():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(PromptRefused) as caught:
        _storable({"x": deep})
    assert caught.value.body["error"]["type"] == "invalid_prompt"
