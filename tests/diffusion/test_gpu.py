"""A real card with little memory: networks take turns, some of their layers visit, and VAEs work in tiles."""

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import save_file

from bridge.diffusion import (
    Autoencoder,
    DiffusionModel,
    Network,
    Placement,
    Prompt,
    TextEncoder,
    TextTower,
    choose_placement,
    decode_latents,
    free,
    load_denoiser,
    loaded_networks,
    memory,
    placement,
    set_placement,
    stable_diffusion_schedule,
)
from bridge.diffusion.denoiser import Denoiser
from bridge.diffusion.device import Placing
from bridge.diffusion.flow import flux_schedule
from bridge.diffusion.networks import (
    SCALING_FACTOR,
    autoencoder_config,
    empty_autoencoder,
    empty_unet,
    unet_config,
)
from bridge.diffusion.patching import patched
from bridge.diffusion.text import encode_prompt
from bridge.diffusion.text_loading import clip_tokenizer
from bridge.diffusion.transformer_networks import empty_transformer
from bridge.engine import Job, running
from bridge.errors import OutOfMemory, Problem
from bridge.models import AutoencoderLayout, Family, FluxLayout, UNetLayout

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

GIGABYTE = 2**30
SHAPE = (1, 4, 64, 64)

AsNode = Callable[[Any], Any]


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Makes the card as small as so many gigabytes."""
    before, whole = placement(), torch.cuda.mem_get_info()[1]
    set_placement(choose_placement("cuda"))

    def resize(gigabytes: float) -> None:
        size = int(gigabytes * GIGABYTE)
        free()
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.set_per_process_memory_fraction(size / whole)
        monkeypatch.setattr(
            torch.cuda, "mem_get_info", lambda device: (size - torch.cuda.memory_reserved(device), size)
        )

    yield resize
    torch.cuda.set_per_process_memory_fraction(1.0)
    set_placement(before)


def of_random_weights(module: Any) -> Any:
    module = module.to(torch.float16).to_empty(device="cuda")
    for parameter in module.parameters():
        parameter.data.normal_().mul_(parameter[0].numel() ** -0.5)
    return module.cpu()


def handle(label: str, module: Any, place: Placing = Placement.unchanged) -> Network[Any]:
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}

    def load(where: Placement) -> Any:
        return copy.deepcopy(module).to(where.device, where.dtype)

    return Network(label, load, shapes, place=place)


@pytest.fixture(scope="module")
def large_unet() -> Any:
    """Stable Diffusion 1.5's at full size: 1.6 GiB in float16."""
    layout = UNetLayout(4, (320, 640, 1280, 1280), (1, 1, 1, 0), 1, (0, 1, 1, 1), 2, 768)
    return of_random_weights(empty_unet(unet_config(layout, Family.SD1)))


async def look(network: Network[Any], as_node: AsNode) -> torch.Tensor:
    """One look of a guided denoiser at noise."""
    model = DiffusionModel(network, stable_diffusion_schedule(), SCALING_FACTOR, 8)
    generator = torch.Generator().manual_seed(0)
    prompts = [Prompt(torch.randn(1, 77, 768, generator=generator)) for _ in range(2)]
    noisy = torch.randn(SHAPE, generator=generator).cuda() * 7
    denoise = Denoiser(model, prompts[:1], prompts[1:], 5.0, SHAPE)
    result: torch.Tensor = await as_node(denoise(noisy, 7.0))
    return result.cpu()


@pytest.mark.parametrize(("gigabytes", "stays"), [(1.1, False), (1.6, True)])
async def test_a_unet_larger_than_the_card_gives_the_same(
    card: Callable[[float], None], large_unet: Any, as_node: AsNode, gigabytes: float, stays: bool
) -> None:
    network = handle("UNet", large_unet)
    card(8)
    expected = await look(network, as_node)
    assert not network.is_streamed
    assert torch.cuda.max_memory_allocated() > 1.6 * GIGABYTE
    card(gigabytes)
    for _ in range(3):  # the second time on, layers are fetched ahead
        found = await look(network, as_node)
        assert network.is_streamed
        assert (found - expected).norm() / expected.norm() < 1e-3
    assert any(tensor.is_cuda for tensor in network.tensors()) is stays
    assert torch.cuda.max_memory_allocated() < (gigabytes - 0.3) * GIGABYTE


@pytest.fixture(scope="module")
def flux() -> Any:
    """Flux's transformer of full width and a tenth of its depth: 2.5 GB in bfloat16."""
    layout = FluxLayout(64, 64, 3072, 128, 2, 4, 4096, 768, is_guided=True)
    return of_random_weights(empty_transformer(layout)).to(torch.bfloat16)


async def look_at_flux(network: Network[Any], as_node: AsNode) -> tuple[torch.Tensor, float]:
    """Looks of Flux at noise: what the last one said, and its seconds."""
    model = DiffusionModel(network, flux_schedule(), 1.0, 8, family=Family.FLUX)
    generator = torch.Generator().manual_seed(0)
    embeds = torch.randn(1, 256, 4096, generator=generator), torch.randn(1, 768, generator=generator)
    noisy = torch.randn(1, 16, 128, 128, generator=generator).cuda()
    denoise = Denoiser(model, [Prompt(*embeds)], [], 1.0, noisy.shape)
    for _ in range(3):
        torch.cuda.synchronize()
        began = time.perf_counter()
        seen: torch.Tensor = await as_node(denoise(noisy, 0.7))
        torch.cuda.synchronize()
    return seen.cpu(), time.perf_counter() - began


async def test_flux_runs_on_a_card_that_holds_half_of_it(
    card: Callable[[float], None], flux: Any, as_node: AsNode, record_property: Callable[..., None]
) -> None:
    network = handle("Flux", flux, Placement.for_transformer)
    card(8)
    expected, resident_s = await look_at_flux(network, as_node)
    card(2.5)
    found, streamed_s = await look_at_flux(network, as_node)
    on_card = sum(tensor.nbytes for tensor in network.tensors() if tensor.is_cuda)
    assert 0.5 * GIGABYTE < on_card < 1.5 * GIGABYTE
    assert torch.cuda.max_memory_allocated() < 2.5 * GIGABYTE
    assert (found - expected).norm() / expected.norm() < 1e-2  # bfloat16, in another order of kernels
    record_property("seconds a step, resident and streamed", (resident_s, streamed_s))


async def test_what_visits_is_pinned_and_a_lora_on_it_as_well(
    card: Callable[[float], None], flux: Any, as_node: AsNode
) -> None:
    base = handle("Flux", flux, Placement.for_transformer)
    card(2.5)
    await look_at_flux(base, as_node)
    resting = [tensor for tensor in base.tensors() if not tensor.is_cuda and tensor.nbytes >= 2**20]
    assert resting
    assert all(tensor.is_pinned() for tensor in resting)
    name = next(name for name, each in base.module().named_parameters() if each is resting[0])
    twin = patched(base, Same([name]))
    found, _ = await look_at_flux(twin, as_node)
    assert twin.module().get_parameter(name).is_pinned()
    expected, _ = await look_at_flux(base, as_node)
    assert torch.equal(found, expected)
    del resting
    held = psutil.Process().memory_info().rss
    free()
    assert psutil.Process().memory_info().rss < held - 0.5 * GIGABYTE  # pinned memory goes back to the system


class Same:
    """A patch that leaves weights as they are."""

    label = "the same"

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def changes(self) -> dict[str, Any]:
        return {name: lambda weight: weight for name in self.names}


async def test_a_text_encoder_leaves_for_flux_and_the_client_is_told(
    card: Callable[[float], None], flux: Any, job: Job, sent: list[Any]
) -> None:
    text = handle("T5", flux, Placement.for_t5)
    denoiser = handle("Flux", flux, Placement.for_transformer)
    card(4)
    with running(job, "3"):
        text.module()
        denoiser.module()
    assert loaded_networks() == [denoiser]
    assert [message.detail.partition(": ")[2] for message in sent] == ["T5 moves out"]


async def test_networks_that_do_not_fit_together_take_turns(
    card: Callable[[float], None], large_unet: Any, as_node: AsNode
) -> None:
    first, second = handle("first", large_unet), handle("second", large_unet)
    card(3.5)
    for network in (first, second, first):
        await look(network, as_node)
        assert loaded_networks() == [network]
        assert not network.is_streamed


async def test_a_full_card_drops_what_a_run_does_not_need(
    card: Callable[[float], None], large_unet: Any, as_node: AsNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the reckoning is wrong, the card itself says that it is full."""
    monkeypatch.setattr(memory, "ACTIVATION_BYTES", -8 * GIGABYTE)
    idle, needed = handle("idle", large_unet), handle("needed", large_unet)
    card(2.5)
    idle.module()
    await look(needed, as_node)
    assert loaded_networks() == [needed]


async def test_a_text_encoder_that_runs_on_the_cpu_leaves_the_card_alone(
    card: Callable[[float], None], large_unet: Any, make_tower: Callable[..., TextTower], as_node: AsNode
) -> None:
    card(3)
    network = handle("UNet", large_unet)
    await look(network, as_node)
    tiny = make_tower().network.module()
    tower = Network(
        "text encoder",
        lambda where: copy.deepcopy(tiny).to(where.device, where.dtype),
        {"more than fits": (GIGABYTE,)},
        place=Placement.on_cpu,
    )
    prompt = encode_prompt(TextEncoder((TextTower(tower, clip_tokenizer()),)), "a (red:1.2) house")
    assert prompt.prompt_embeds.isfinite().all()
    assert {tensor.device.type for tensor in tower.tensors()} == {"cpu"}
    assert network.is_loaded


async def test_a_picture_too_large_for_the_card_is_decoded_in_tiles(
    card: Callable[[float], None], job: Job
) -> None:
    config = autoencoder_config(AutoencoderLayout((128, 256, 512, 512), 2, 4))
    network = handle("VAE", of_random_weights(empty_autoencoder(config)), Placement.for_vae)
    vae = Autoencoder(network, 8)
    warnings: list[Problem] = []
    card(2)
    async with running(job, "3", warnings):
        image = await decode_latents(vae, torch.randn(1, 4, 160, 160))
    assert image.shape == (1, 1280, 1280, 3)
    assert [each.code for each in warnings] == ["tiled"]


async def test_a_card_too_small_for_a_step_says_how_much_was_missing(
    card: Callable[[float], None], large_unet: Any, as_node: AsNode
) -> None:
    card(0.07)
    with pytest.raises(OutOfMemory, match=r"denoising .* MiB more were needed.*layer by layer") as caught:
        await look(handle("UNet", large_unet), as_node)
    assert caught.value.hint


async def test_eight_bits_take_half_the_room_while_they_are_read(
    card: Callable[[float], None], large_unet: Any, as_node: AsNode, tmp_path: Path
) -> None:
    save_file(large_unet.state_dict(), tmp_path / "unet.safetensors")
    card(8)
    network = load_denoiser(tmp_path / "unet.safetensors", "unet", "fp8_e4m3fn").unet
    expected = await look(handle("UNet", large_unet), as_node)
    free()
    torch.cuda.reset_peak_memory_stats()
    network.module()
    assert torch.cuda.max_memory_allocated() < 0.9 * GIGABYTE
    found = await look(network, as_node)
    assert (found - expected).norm() / expected.norm() < 0.1
