"""Prompts to embeddings with CLIP's text towers."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.residency import with_room
from bridge.diffusion.tokens import NO_MODELS, Token, padded, tokenize
from bridge.diffusion.types import Prompt, TextEncoder, TextTower
from bridge.errors import InputError
from bridge.models import Catalogue, Family, TowerKind

_LAST = -1
_PENULTIMATE = -2


def encode_prompt(clip: TextEncoder, text: str, catalogue: Catalogue = NO_MODELS) -> Prompt:
    """Turn a prompt into conditioning; both of SDXL's text towers read the same. See ``encode_prompts``."""
    return encode_prompts(clip, {tower.kind: text for tower in clip.towers}, catalogue)


def encode_prompts(
    clip: TextEncoder, texts: Mapping[TowerKind, str], catalogue: Catalogue = NO_MODELS
) -> Prompt:
    """Turn a prompt for each text tower into conditioning.

    A prompt longer than 75 tokens becomes several chunks, whose embeddings follow one another. The
    embedding of a token of weight w is w times as far from that of an empty prompt. The embeddings of two
    towers stand side by side; the shorter prompt is filled up with empty chunks. The pooled embedding is
    that of the last tower's first chunk.

    Args:
        clip: The text towers.
        texts: A prompt for each kind of tower.
        catalogue: Where the embeddings lie that a prompt names.

    Raises:
        InputError: If a prompt is too long, nests parentheses too deeply, or has broken characters; code
            ``wrong_text_encoder`` if a tower has no prompt.
        ModelError: If an embedding that a prompt names is not there, damaged, or of another family.
        OutOfMemory: If a text tower does not fit.
    """
    missing = [tower.kind for tower in clip.towers if tower.kind not in texts]
    if missing:
        raise InputError(
            f"this CLIP belongs to {clip.family.value}, and has a text encoder without a prompt",
            code="wrong_text_encoder",
            hint="Encode the prompt with CLIPTextEncode.",
        )
    chunks = [tokenize(tower, texts[tower.kind], catalogue) for tower in clip.towers]
    count = max(map(len, chunks))
    embeds, pooled = [], None
    for tower, mine in zip(clip.towers, chunks, strict=True):
        mine += [padded(tower, [])] * (count - len(mine))
        prompt_embeds, pooled = _encode(clip, tower, mine)
        embeds.append(prompt_embeds)
    return Prompt(torch.cat(embeds, dim=-1), pooled)


def pool_words(clip: TextEncoder, text: str, catalogue: Catalogue = NO_MODELS) -> Tensor:
    """Return what the last text tower says of a few words as a whole, before its projection, (1, width).

    Args and errors: As of ``encode_prompts``.
    """
    tower = clip.towers[-1]
    return _run(clip, tower, tokenize(tower, text, catalogue), is_projected=False)[1]


def set_last_layer(clip: TextEncoder, last_layer: int) -> TextEncoder:
    """Return the same encoder ending at another layer.

    Args:
        clip: An encoder.
        last_layer: −1 is the last layer, −2 the one before it; one that is not there means the last.
    """
    return replace(clip, last_layer=last_layer)


def _encode(clip: TextEncoder, tower: TextTower, chunks: Sequence[list[Token]]) -> tuple[Tensor, Tensor]:
    """Run a tower on chunks; returns (1, 77 · chunks, width) and the pooled embedding (1, width)."""
    weights = torch.tensor([[weight for _, weight in chunk] for chunk in chunks])
    if bool((weights != 1.0).any()):
        embeds, pooled = _run(clip, tower, [*chunks, padded(tower, [])])
        *embeds, origin = embeds  # type: ignore[assignment]
        prompt_embeds = origin + weights[..., None] * (torch.stack(list(embeds)) - origin)
    else:
        prompt_embeds, pooled = _run(clip, tower, chunks)
    return prompt_embeds.reshape(1, -1, prompt_embeds.shape[-1]), pooled


def _run(
    clip: TextEncoder, tower: TextTower, chunks: Sequence[list[Token]], *, is_projected: bool = True
) -> tuple[Tensor, Tensor]:
    """Run a tower; float32 on the CPU: (chunks, 77, width), and of the first chunk (1, width)."""
    numbers = torch.tensor(
        [[token if isinstance(token, int) else 0 for token, _ in chunk] for chunk in chunks]
    )
    end = int((numbers[0] == tower.tokenizer.eos_token_id).int().argmax())

    @torch.inference_mode()
    def call() -> tuple[Tensor, Tensor]:
        network = tower.network.module()
        encoder = getattr(network, "text_model", network)
        with memory_errors("encoding a prompt"), _with_vectors(encoder, chunks), _outputs(encoder) as layers:
            last = encoder(numbers.to(tower.network.placement.device)).last_hidden_state
            embeds = _chosen_layer(clip, tower, encoder, layers, last)
            pooled = last[:1, end]
            if is_projected and encoder is not network:
                pooled = network.text_projection(pooled)
            return embeds.float().cpu(), pooled.float().cpu()

    embeds, pooled = with_room(call, keep=(tower.network,))
    return embeds.clone(), pooled.clone()


def _chosen_layer(
    clip: TextEncoder, tower: TextTower, encoder: Any, layers: Sequence[Tensor], last: Tensor
) -> Tensor:
    """Return the output of the layer that the family, or the user, takes.

    Stable Diffusion 1.x and 2.x put the final norm behind whichever layer is taken; SDXL takes it as it is.

    Args:
        clip: What the tower belongs to.
        tower: Which one.
        encoder: Its module.
        layers: What each of its layers gave.
        last: What the last gave, normed.
    """
    last_layer = clip.last_layer
    if last_layer is None:
        last_layer = _LAST if clip.family is Family.SD1 else _PENULTIMATE
    if tower.is_shortened:
        last_layer = min(last_layer + 1, _LAST)
    if -last_layer > len(layers):
        return last
    chosen = layers[last_layer]
    return encoder.final_layer_norm(chosen) if clip.family in (Family.SD1, Family.SD2) else chosen


@contextmanager
def _outputs(encoder: Any) -> Iterator[list[Tensor]]:
    """Collect what each layer of a tower gives within the block.

    Not by ``output_hidden_states``: for that transformers hooks into the layers once for each model, so that
    layers which a model shares with its LoRAs' twins would tell twice.
    """
    outputs: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda layer, args, output: outputs.append(output))
        for layer in encoder.encoder.layers
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _with_vectors(encoder: Any, chunks: Sequence[list[Token]]) -> Iterator[None]:
    """Have a tower see, within the block, vectors in the places where chunks hold them."""
    vectors = {
        (row, column): token
        for row, chunk in enumerate(chunks)
        for column, (token, _) in enumerate(chunk)
        if isinstance(token, Tensor)
    }

    def put(module: Any, numbers: Any, embedded: Tensor) -> Tensor:
        embedded = embedded.clone()
        for place, vector in vectors.items():
            embedded[place] = vector.to(embedded)
        return embedded

    if not vectors:
        yield
        return
    hook = encoder.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()
