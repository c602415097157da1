"""Progress while weights are read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from bridge.builtin import model_folder
from bridge.diffusion import free, load_autoencoder, load_checkpoint, reading
from bridge.diffusion.networks import empty_autoencoder
from bridge.engine import Job, running
from bridge.errors import ModelError
from bridge.protocol import Progress
from tests.diffusion.tiny_vae_weights import write_halves

LOADER = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a"}}
OTHER = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "b"}}


@pytest.fixture
def clock(monkeypatch: Any) -> list[float]:
    """A clock that the test turns."""
    now = [100.0]
    monkeypatch.setattr(reading.time, "monotonic", lambda: now[0])
    return now


def with_weights(module: Any) -> Any:
    module.to_empty(device="cpu")
    for parameter in module.parameters():
        parameter.data.zero_()
    return module


def told(sent: list[Any]) -> list[tuple[str, float, float]]:
    assert all(isinstance(message, Progress) and message.job == "job" for message in sent)
    return [(message.node, message.value, message.maximum) for message in sent]


def test_it_counts_megabytes_from_nothing_to_all(job: Job, sent: list[Any], clock: list[float]) -> None:
    with running(job, "3"), reading.reading(None, 4_000_000) as on_read:
        for _ in range(4):
            clock[0] += 1.01 * reading.INTERVAL_S
            on_read(1_000_000)
    assert told(sent) == [("3", value, 4.0) for value in (0, 1, 2, 3, 4, 4)]


def test_many_small_tensors_are_not_worth_a_message_each(
    job: Job, sent: list[Any], clock: list[float]
) -> None:
    with running(job, "3"), reading.reading(None, 1_000_000) as on_read:
        for _ in range(1000):
            clock[0] += 0.001
            on_read(1000)
    assert len(sent) == pytest.approx(2 + 1.0 / reading.INTERVAL_S, abs=1)
    assert [message.value for message in sent] == sorted(message.value for message in sent)


def test_what_breaks_does_not_end_at_all(job: Job, sent: list[Any]) -> None:
    with running(job, "3"), pytest.raises(OSError, match="gone"), reading.reading(None, 4_000_000):
        raise OSError("gone")
    assert told(sent) == [("3", 0, 4.0)]


def test_the_loader_is_named_whatever_its_id_is_now(job: Job, sent: list[Any]) -> None:
    with running(replace(job, workflow={"4": LOADER}), "4"):
        loader = reading.running_loader()
    job = replace(job, workflow={"4": OTHER, "9": {**LOADER, "_meta": {"title": "X"}}})
    with running(job, "3"), reading.reading(loader, 1_000_000):
        pass
    assert {message.node for message in sent} == {"9"}


def test_what_is_wrong_with_a_file_is_said_of_its_loader(job: Job) -> None:
    job = replace(job, workflow={"9": LOADER})
    with running(job, "3"), pytest.raises(ModelError) as caught, reading.reading(LOADER, 1_000_000):
        raise ModelError('"x" holds values that are no numbers')
    assert caught.value.node_id == "9"


def test_without_its_loader_in_the_workflow_the_running_node_speaks(job: Job, sent: list[Any]) -> None:
    with running(replace(job, workflow={"4": OTHER}), "3"), reading.reading(LOADER, 1_000_000):
        pass
    assert {message.node for message in sent} == {"3"}


def test_outside_of_a_job_nothing_is_told() -> None:
    assert reading.running_loader() is None
    with reading.reading(LOADER, 1) as on_read:
        on_read(1)


@pytest.fixture(params=["folder", "file"])
def place(request: Any, tmp_path: Path, ldm: Any) -> Path:
    """A VAE in either layout."""
    if request.param == "folder":
        return model_folder() / "vae"
    file = tmp_path / "vae.safetensors"
    network = with_weights(empty_autoencoder(ldm.AUTOENCODER))
    save_file({key: tensor.contiguous() for key, tensor in ldm.autoencoder_state(network).items()}, file)
    return file


def test_a_network_tells_how_much_of_its_file_is_read(job: Job, sent: list[Any], place: Path) -> None:
    job = replace(job, workflow={"11": LOADER})
    with running(job, "11"):
        network = load_autoencoder(place, "tiny").network
    assert not sent
    for _ in range(2):
        with running(job, "3"):
            network.module()
            network.module()
        free()
    file = place if place.is_file() else place / "diffusion_pytorch_model.safetensors"
    header = int.from_bytes(file.read_bytes()[:8], "little")
    maximum = (file.stat().st_size - 8 - header) / 1e6
    ends = [entry for entry in told(sent) if entry[1] in (0, maximum)]
    assert ends == [("11", 0, maximum), ("11", maximum, maximum)] * 2


def test_a_network_of_two_files_tells_of_both_and_names_its_loader(
    job: Job, sent: list[Any], tmp_path: Path
) -> None:
    write_halves(tmp_path)
    job = replace(job, workflow={"11": LOADER})
    with running(job, "11"):
        network = load_autoencoder(tmp_path / "taesd_encoder.safetensors", "taesd").network
    with running(job, "3"):
        network.module()
    sizes = sum(parameter.nbytes for parameter in network.module().parameters()) / 1e6
    assert {message.node for message in sent} == {"11"}
    assert sent[-1].value == sent[-1].maximum == pytest.approx(sizes)
    free()
    (tmp_path / "taesd_decoder.safetensors").write_bytes(b"gone bad")
    with running(job, "3"), pytest.raises(ModelError) as caught:
        network.module()
    assert caught.value.node_id == "11"


def test_every_network_of_a_checkpoint_speaks_for_its_loader(job: Job, sent: list[Any]) -> None:
    job = replace(job, workflow={"4": LOADER})
    with running(job, "4"):
        model, clip, vae = load_checkpoint(model_folder(), "demo")
    for network in (model.unet, clip.towers[0].network, vae.network):
        sent.clear()
        with running(job, "3"):
            network.module()
        assert {message.node for message in sent} == {"4"}
        assert sent[-1].value == sent[-1].maximum > 0


def test_what_is_announced_is_said_once_a_job_and_while_its_network_is_read(
    job: Job, sent: list[Any]
) -> None:
    sentence = "Flux needs 11.2 GB, 9.8 GB are free: T5 moves out"
    with running(job, "3"):
        reading.announce("Flux", sentence)
        reading.announce("Flux", sentence)
        for name in ("VAE", "Flux"):
            with reading.reading(None, 1_000_000, name):
                pass
    assert [message.detail for message in sent] == [sentence, "", "", sentence, sentence]
    sent.clear()
    with running(replace(job, id="other"), "3"):
        reading.announce("Flux", sentence)
    assert len(sent) == 1


def test_nothing_is_announced_outside_of_a_job(sent: list[Any]) -> None:
    reading.announce("Flux", "Flux needs 11.2 GB, 9.8 GB are free: T5 moves out")
    assert not sent
