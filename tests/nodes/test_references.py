"""References on conditioning."""

import torch

from bridge.diffusion import LatentBatch, Prompt
from bridge.nodes.references import flux_kontext_multi_reference_latent_method, reference_latent

PROMPT = Prompt(torch.zeros(1, 5, 12))


def latent(number: float) -> LatentBatch:
    return {"samples": torch.full((1, 16, 4, 4), number)}


def test_references_follow_one_another() -> None:
    conditioning = reference_latent(reference_latent((PROMPT,), latent(1.0)), latent(2.0))
    assert [float(each.mean()) for each in conditioning[0].references] == [1.0, 2.0]
    assert PROMPT.references == ()


def test_without_latents_conditioning_stays_as_it_is() -> None:
    conditioning = (PROMPT,)
    assert reference_latent(conditioning) is conditioning


def test_the_layout_of_references_has_names_of_its_own() -> None:
    for method, layout in (("offset", "canvas"), ("index", "stack"), ("uxo/uno", "diagonal")):
        [prompt] = flux_kontext_multi_reference_latent_method((PROMPT,), method)
        assert prompt.reference_layout == layout
