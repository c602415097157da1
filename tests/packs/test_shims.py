"""The modules of ComfyUI that packs import: what they promise is what packs get."""

import importlib
import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import bridge
from bridge.engine import Folders, Job, PackEvent, running
from bridge.errors import InputError, Interrupted, ModelNotFound, UnsupportedModel
from bridge.packs.inputs import read_input
from bridge.packs.shims import place
from bridge.packs.shims.folders import FolderPaths
from bridge.protocol import Preview, Progress

pytestmark = pytest.mark.usefixtures("packs")


def shim(name):
    return importlib.import_module(name)


@pytest.fixture
def home(tmp_path):
    for name in ("input", "output", "temp", "models/loras", "models/checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/loras/ink.safetensors").write_bytes(b"x")
    return tmp_path


@pytest.fixture
def paths(home):
    homes = {name: str(home / name) for name in ("input", "output", "temp")}
    return FolderPaths({**homes, "models": [str(home / "models")]})


@pytest.fixture
def running_job(home, messages):
    folders = Folders(home / "input", home / "output", home / "temp", home)
    job = Job(
        "job", folders, emit=messages.append, workflow={"1": {}}, extra={"workflow": 5}, wants_preview=True
    )
    with running(job, "7", place="7.0."):
        yield job


# ---- what is not here ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["comfy.sd", "comfy.ldm.modules", "comfy_extras", "execution"])
def test_modules_that_mean_nothing_here_do_not_exist(name):
    with pytest.raises(ModuleNotFoundError):
        shim(name)


def test_what_a_module_lacks_can_be_asked_for():
    assert not hasattr(shim("comfy.model_management"), "load_models_gpu")
    with pytest.raises(ImportError, match=r"from 'comfy.utils'"):
        from comfy.utils import bislerp  # noqa: F401


@pytest.mark.parametrize("name", ["comfy", "comfy.utils", "nodes", "comfy_api.latest"])
def test_what_a_module_lacks_is_named(name):
    with pytest.raises(AttributeError, match=rf"does not have {name}\.nothing of ComfyUI"):
        _ = shim(name).nothing


def test_versions_of_the_api_are_one():
    latest = shim("comfy_api.latest")
    assert latest.io is latest.comfy_io is latest.IO
    assert shim("comfy_api.latest").io is shim("comfy_api.v0_0_2").io


def test_packs_that_look_for_comfyuis_folder_find_the_users_own(temp):
    server, paths = shim("server"), shim("folder_paths")
    assert (
        Path(inspect.getfile(server.PromptServer)).parent
        == Path(paths.base_path)
        == Path(paths.__file__).parent
    )
    assert not Path(paths.base_path).is_relative_to(Path(bridge.__file__).parent)


# ---- folder_paths ----------------------------------------------------------------------------


def test_models_are_listed_and_found(paths, home):
    names = paths.get_filename_list("loras")
    assert "ink.safetensors" in names
    assert names.folder == "loras"
    assert paths.get_full_path("loras", "ink.safetensors") == str(home / "models/loras/ink.safetensors")
    assert paths.get_full_path("loras", "../../secret") is None
    with pytest.raises(ModelNotFound, match="none"):
        paths.get_full_path_or_raise("loras", "none")
    assert paths.get_folder_paths("loras") == [str(home / "models/loras")]


@pytest.fixture
def mine(home):
    """A folder of a pack's own."""
    (home / "mine").mkdir()
    for name in ("net.safetensors", "net.onnx", "net.pth"):
        (home / "mine" / name).write_bytes(b"x")
    return str(home / "mine")


def test_a_pack_adds_a_kind_of_model(paths, mine):
    paths.add_model_folder_path("my_kind", mine)
    assert paths.get_filename_list("my_kind") == ["net.onnx", "net.pth", "net.safetensors"]
    folders, suffixes = paths.folder_names_and_paths["my_kind"]
    paths.folder_names_and_paths["my_kind"] = (folders, suffixes | {".onnx"})
    names = paths.get_filename_list("my_kind")
    assert (names, names.folder) == (["net.onnx"], "")
    assert paths.get_full_path("my_kind", "net.onnx") == f"{mine}/net.onnx"
    assert paths.get_full_path("my_kind", "../models/loras/ink.safetensors") is None
    assert paths.get_folder_paths("my_kind") == [mine]


def test_a_pack_writes_down_a_kind_of_model_itself(paths, mine):
    paths.folder_names_and_paths["ultra"] = ([mine], {".onnx", ".SAFETENSORS"})
    assert paths.get_folder_paths("ultra") == [mine]
    assert paths.get_filename_list("ultra") == ["net.onnx", "net.safetensors"]
    paths.folder_names_and_paths["ultra"][1].add(".pth")
    assert len(paths.get_filename_list("ultra")) == 3
    paths.folder_names_and_paths["ultra"] = ([mine], paths.supported_pt_extensions)
    assert paths.get_filename_list("ultra") == ["net.pth", "net.safetensors"]


def test_of_kinds_of_ours_only_safetensors_are_listed(paths, mine, home):
    folders, suffixes = paths.folder_names_and_paths["loras"]
    folders.append(mine)
    suffixes.update({".onnx", ".pth"})
    assert paths.get_folder_paths("loras") == [str(home / "models/loras"), mine]
    names = paths.get_filename_list("loras")
    assert [name for name in names if "chalkboard" not in name] == ["ink.safetensors", "net.safetensors"]
    assert names.folder == ""


def test_a_kind_that_nobody_wrote_down_has_a_place(paths, home):
    assert paths.get_folder_paths("none") == [str(home / "models/none")]
    assert paths.get_filename_list("none") == []


def test_names_of_pictures_stay_in_their_folders(paths, home):
    (home / "output/a.png").write_bytes(b"x")
    assert paths.get_annotated_filepath("a.png [output]") == str(home / "output/a.png")
    assert paths.get_annotated_filepath("a.png") == str(home / "input/a.png")
    assert paths.annotated_filepath("a.png [temp]") == ("a.png", str(home / "temp"))
    assert paths.exists_annotated_filepath("a.png [output]")
    assert not paths.exists_annotated_filepath("../output/a.png")
    with pytest.raises(InputError):
        paths.get_annotated_filepath("../../secret")


def test_saving_counts_on_and_stays_inside(paths, home):
    folder, name, number, subfolder, prefix = paths.get_save_image_path(
        "shots/a_%width%", str(home / "output"), 64
    )
    assert (folder, name, number, subfolder) == (str(home / "output/shots"), "a_64", 1, "shots")
    (home / "output/shots/a_64_00007_.png").write_bytes(b"x")
    assert paths.get_save_image_path(prefix, str(home / "output"), 64)[2] == 8
    with pytest.raises(InputError):
        paths.get_save_image_path("../out", str(home / "output"))


def test_files_are_told_apart_by_their_names(paths):
    names = ["b.PNG", "a.mp4", "c.txt", "d.wav"]
    assert paths.filter_files_content_types(names, ["image", "video"]) == ["b.PNG", "a.mp4"]
    assert paths.filter_files_extensions(names, [".txt"]) == ["c.txt"]


def test_folders_have_names(paths, home):
    assert paths.get_directory_by_type("temp") == paths.get_temp_directory() == str(home / "temp")
    assert paths.get_directory_by_type("other") is None
    assert (paths.get_input_directory(), paths.get_output_directory()) == (
        str(home / "input"),
        str(home / "output"),
    )
    assert paths.get_user_directory() == str(home / "user")
    assert paths.models_dir == str(home / "models")


def test_a_list_of_a_folder_stays_up_to_date(paths):
    names = paths.get_filename_list("loras")
    entry = read_input("lora", (names,), is_required=True)
    assert (entry.type, entry.choices_from, entry.choices) == ("COMBO", "loras", None)
    plain = read_input("lora", (["none", *names],), is_required=True)
    assert plain.choices[0] == "none"


# ---- comfy.* ---------------------------------------------------------------------------------


def test_progress_shows_a_picture(running_job, messages):
    bar = shim("comfy.utils").ProgressBar(2)
    picture = Image.new("RGB", (1024, 512), (255, 0, 0))
    bar.update_absolute(1, preview=("JPEG", picture, 64))
    progress, preview = messages
    assert (progress.node, progress.value, progress.maximum) == ("7", 1, 2)
    assert preview.planes[0].shape == (32, 64, 3)
    shim("comfy_api.latest").ComfyAPISync().execution.set_progress(1, 2, preview_image=torch.ones(1, 4, 6, 3))
    assert messages[-1].planes[0].shape == (4, 6, 3)
    assert [type(each) for each in messages] == [Progress, Preview, Progress, Preview]


def test_progress_outside_of_a_run_is_nobodys_business():
    shim("comfy.utils").ProgressBar(2).update(1)


@pytest.mark.parametrize("method", ["bilinear", "lanczos"])
def test_pictures_are_scaled(method):
    scaled = shim("comfy.utils").common_upscale(torch.rand(1, 3, 64, 32), 64, 64, method, "center")
    assert scaled.shape == (1, 3, 64, 64)


def test_batches_and_masks_are_brought_to_a_size():
    utils = shim("comfy.utils")
    assert utils.repeat_to_batch_size(torch.arange(2), 5).tolist() == [0, 1, 0, 1, 0]
    assert utils.reshape_mask(torch.ones(1, 8, 8), (2, 4, 16, 16)).shape == (2, 4, 16, 16)


def test_weights_are_read_from_safetensors_and_nothing_else(tmp_path):
    utils = shim("comfy.utils")
    save_file({"a.w": torch.ones(2)}, tmp_path / "a.safetensors", {"of": "us"})
    tensors, metadata = utils.load_torch_file(tmp_path / "a.safetensors", return_metadata=True)
    assert (tensors["a.w"].tolist(), metadata) == ([1, 1], {"of": "us"})
    assert utils.calculate_parameters(tensors, "a.") == 2
    assert list(utils.state_dict_prefix_replace(tensors, {"a.": "b."})) == ["b.w"]
    torch.save({"a": torch.ones(1)}, tmp_path / "a.pth")
    with pytest.raises(UnsupportedModel, match="no safetensors"):
        utils.load_torch_file(tmp_path / "a.pth")


def test_devices_are_those_of_our_networks():
    management = shim("comfy.model_management")
    device = management.get_torch_device()
    assert management.get_torch_device_name(device) == str(device)
    assert management.intermediate_device().type == "cpu"
    assert 0 < management.get_free_memory("cpu") <= management.get_total_memory("cpu")
    assert management.is_device_cpu("cpu")
    assert management.unet_dtype().is_floating_point
    assert management.should_use_fp16() == (management.unet_dtype() == torch.float16)
    assert management.cpu_mode() == (device.type == "cpu")
    assert management.mps_mode() == (device.type == "mps")
    assert management.is_amd() + management.is_nvidia() == (device.type == "cuda")
    assert management.pytorch_attention_enabled()
    assert not management.xformers_enabled()
    assert management.dtype_size(torch.float16) == 2
    assert management.module_size(torch.nn.Linear(3, 1)) == 16
    assert management.free_memory(2**20, device) == []
    management.soft_empty_cache()
    management.unload_all_models()


def test_a_pack_stops_when_somebody_asks_for_it(running_job):
    management = shim("comfy.model_management")
    management.interrupt_current_processing(False)
    management.throw_exception_if_processing_interrupted()
    management.interrupt_current_processing()
    assert management.processing_interrupted()
    with pytest.raises(management.InterruptProcessingException):
        management.throw_exception_if_processing_interrupted()


def test_a_pack_may_stop_the_run_without_a_word():
    stop = shim("comfy.model_management").InterruptProcessingException
    assert issubclass(stop, Interrupted)
    for raised in (stop, stop(), stop("enough")):
        with pytest.raises(stop, match=r"cancelled|enough"):
            raise raised


def test_a_pack_catches_what_a_full_device_raises():
    assert shim("comfy.model_management").OOM_EXCEPTION is torch.OutOfMemoryError


def test_samplers_are_ours():
    samplers = shim("comfy.samplers")
    assert "euler" in samplers.KSampler.SAMPLERS
    assert "karras" in samplers.SCHEDULER_NAMES


def test_small_helpers_help(tmp_path):
    helpers = shim("node_helpers")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with helpers.pillow(Image.open, tmp_path / "a.png") as picture:
        assert picture.size == (4, 4)
    with pytest.raises(FileNotFoundError):
        helpers.pillow(Image.open, tmp_path / "none.png")
    rgb, rgba = torch.rand(1, 2, 2, 3), torch.rand(1, 2, 2, 4)
    assert [each.shape[-1] for each in helpers.image_alpha_fix(rgb, rgba)] == [3, 3]
    destination, _ = helpers.image_alpha_fix(rgba, rgb)
    assert destination[..., -1].min() == 1
    assert helpers.string_to_torch_dtype("fp16") == torch.float16
    assert helpers.hasher()(b"x").hexdigest()


def test_a_sampler_of_a_pack_moves_its_progress(running_job, messages):
    latest = {}
    callback = shim("latent_preview").prepare_callback(None, 4, latest)
    callback(1, "x0", "x", 4)
    assert (messages[0].value, messages[0].maximum, latest) == (2, 4, {"x0": "x0"})


# ---- comfy_execution -------------------------------------------------------------------------


def test_a_graph_is_built_and_changed(running_job):
    utils = shim("comfy_execution.graph_utils")
    graph = utils.GraphBuilder()
    first = graph.node("A", value=1)
    second = graph.node("B", "named", a=first.out(0), b=first.out(1))
    assert (first.id, second.id) == ("7.0.0.1", "7.0.0.named")
    assert utils.GraphBuilder().prefix == "7.0.1."
    assert graph.node("B", "named") is graph.lookup_node("named") is second
    second.set_override_display_id("7")
    assert second.serialize()["override_display_id"] == "7"
    graph.replace_node_output("1", 0, 5)
    graph.replace_node_output("1", 1, None)
    assert second.inputs == {"a": 5}
    assert second.get_input("a") == 5
    graph.remove_node("1")
    assert list(graph.finalize()) == [second.id]


def test_a_prefix_is_put_before_a_graph():
    graph = {"1": {"class_type": "A", "inputs": {"a": ["2", 0], "b": 3}}}
    fresh, outputs = shim("comfy_execution.graph_utils").add_graph_prefix(graph, [["1", 0], 4], "p.")
    assert fresh == {"p.1": {"class_type": "A", "inputs": {"a": ["p.2", 0], "b": 3}}}
    assert outputs == (["p.1", 0], 4)


# ---- server ----------------------------------------------------------------------------------


def test_a_route_is_refused_and_the_function_kept(caplog):
    routes = shim("server").PromptServer.instance.routes

    @routes.post("/pack/run")
    def handler(request):
        return 1

    assert handler(None) == 1
    assert "POST /pack/run" in caplog.text
    with pytest.raises(AttributeError):
        routes.eat("/pack")


def test_the_server_cannot_be_changed(caplog):
    server = shim("server").PromptServer.instance
    server.app.add_routes([])
    server.add_on_prompt_handler(print)
    assert caplog.text.count("packs cannot") == 2


def test_parts_of_the_server_that_are_not_there_are_named():
    with pytest.raises(AttributeError, match=r"server\.PromptServer\.instance\.prompt_queue of ComfyUI"):
        shim("server").PromptServer.instance.prompt_queue.put(1)


def test_words_of_a_pack_are_mappings(running_job, messages, caplog):
    running_job.wants_nodes = True
    shim("server").PromptServer.instance.send_sync("word", [1, 2])
    assert messages == []
    assert "the event word of a pack brings list" in caplog.text


def test_words_of_a_pack_need_somebody_who_listens(running_job, messages):
    send = shim("server").PromptServer.instance.send_sync
    send("word", {"a": 1})
    assert messages == []
    running_job.wants_nodes = True
    send("word", {"a": 1, "tensor": torch.ones(1)})
    shim("server").PromptServer.instance.send_progress_text(b"half way", "7")
    assert messages == [
        PackEvent("job", "word", {"a": 1, "tensor": None}),
        PackEvent("job", "progress_text", {"node": "7", "text": "half way"}),
    ]


def test_a_thread_of_a_pack_works_for_the_node_that_was_called_last(running_job, messages):
    server, management = shim("server").PromptServer.instance, shim("comfy.model_management")
    running_job.wants_nodes = True

    def look():
        server.send_sync("word", {})
        shim("comfy.utils").ProgressBar(2).update(1)
        ids = server.client_id, server.last_prompt_id, server.last_node_id
        return ids, management.processing_interrupted()

    with ThreadPoolExecutor() as thread:
        place.note_call()
        assert thread.submit(look).result() == (("job", "job", "7"), False)
        assert messages == [PackEvent("job", "word", {}), Progress("7", 1, 2, job="job")]
        thread.submit(management.interrupt_current_processing).result()
        assert running_job.is_cancelled
        running_job.wants_nodes = False
        assert thread.submit(lambda: server.client_id).result() is None


def test_without_a_job_nobody_is_told(home):
    server, management = shim("server").PromptServer.instance, shim("comfy.model_management")
    with running(Job("gone", Folders(home, home, home, home)), "1"):
        place.note_call()
    assert (server.client_id, server.last_prompt_id, server.last_node_id) == (None, None, None)
    server.send_sync("word", {})
    management.interrupt_current_processing()
    assert not management.processing_interrupted()


# ---- comfy_api.latest.ui ---------------------------------------------------------------------


def test_pictures_are_shown_and_saved_with_their_workflow(running_job, home):
    ui = shim("comfy_api.latest").ui
    io = shim("comfy_api.latest").io
    kind = io.ComfyNode.given({"prompt": {"1": {}}})
    shown = ui.PreviewImage(torch.full((2, 16, 16, 3), 0.5), cls=kind).as_dict()["images"]
    assert [each["type"] for each in shown] == ["temp", "temp"]
    picture = Image.open(home / "temp" / shown[0]["filename"])
    assert (picture.info["prompt"], np.asarray(picture).max()) == ('{"1": {}}', 127)
    assert len(ui.PreviewMask(torch.ones(1, 16, 16)).results) == 1
    saved = ui.ImageSaveHelper.get_save_images_ui(torch.ones(1, 16, 16, 4), "a", kind)
    assert (home / "output" / saved.results[0].filename).exists()
    (entry,) = ui.ImageSaveHelper.save_images(torch.ones(1, 16, 16, 3), "b", io.FolderType.output)
    assert (entry.type, entry.subfolder) == ("output", "")
    assert ui.SavedImages([entry], is_animated=True).as_dict()["animated"] == (True,)


def test_modules_are_parts_of_their_packages():
    assert sys.modules["comfy.utils"] is shim("comfy.utils")
    assert shim("comfy").utils is shim("comfy.utils")
