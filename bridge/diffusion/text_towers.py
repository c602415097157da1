"""Running a text tower on tokens."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from bridge.diffusion.device import memory_errors
from bridge.diffusion.residency import with_room
from bridge.diffusion.tokens import PADDING, Token, end_of, padded
from bridge.diffusion.types import TextEncoder, TextTower
from bridge.models import Family

_LAST = -1
_PENULTIMATE = -2

Encoded = tuple[Tensor, Tensor]
"""What a tower says of a prompt: of its tokens (1, tokens, width), and of all as one (1, width).

T5 says nothing of all as one: its second tensor is empty, (1, 0)."""


def encode_chunks(clip: TextEncoder, tower: TextTower, chunks: Sequence[list[Token]]) -> Encoded:
    """Run a tower on weighted chunks of equal length, which then follow one another.

    The embedding of a token of weight w is w times as far from that of an empty prompt.
    """
    weights = torch.tensor([[weight for _, weight in chunk] for chunk in chunks])
    if bool((weights != 1.0).any()):
        embeds, pooled = run_tower(clip, tower, [*chunks, _empty(clip, tower, len(chunks[0]))])
        *embeds, origin = embeds  # type: ignore[assignment]
        prompt_embeds = origin + weights[..., None] * (torch.stack(list(embeds)) - origin)
    else:
        prompt_embeds, pooled = run_tower(clip, tower, chunks)
    return prompt_embeds.reshape(1, -1, prompt_embeds.shape[-1]), pooled


def run_tower(
    clip: TextEncoder, tower: TextTower, chunks: Sequence[list[Token]], *, is_projected: bool = True
) -> Encoded:
    """Run a tower; float32 on the CPU: (chunks, tokens, width), and of the first chunk (1, width).

    Args:
        clip: What the tower belongs to.
        tower: Which one.
        chunks: Of equal length.
        is_projected: Whether what is said of all as one goes through the tower's projection, if it has one;
            ViT-L/14's never does, as in its families' training.
    """
    numbers = torch.tensor(
        [[token if isinstance(token, int) else 0 for token, _ in chunk] for chunk in chunks]
    )

    @torch.inference_mode()
    def call() -> Encoded:
        network = tower.network.module()
        placed = numbers.to(tower.network.placement.device)
        with memory_errors("encoding a prompt"), _with_vectors(network, chunks):
            if tower.kind == "t5xxl":
                embeds, pooled = _read_by_t5(clip, network, placed), torch.empty(1, 0)
            else:
                embeds, pooled = _read_by_clip(clip, tower, network, placed)
                if is_projected and tower.kind != "clip_l" and hasattr(network, "text_projection"):
                    pooled = network.text_projection(pooled)
            return embeds.float().cpu(), pooled.float().cpu()

    embeds, pooled = with_room(call, keep=(tower.network,))
    return embeds.clone(), pooled.clone()


def _empty(clip: TextEncoder, tower: TextTower, length: int) -> list[Token]:
    """Return the tokens of an empty prompt; PixArt's has no end."""
    if tower.kind != "t5xxl":
        return padded(tower, [])
    if clip.family in (Family.PIXART_ALPHA, Family.PIXART_SIGMA):
        return [PADDING] * length
    return [end_of(tower), *[PADDING] * (length - 1)]


def _read_by_t5(clip: TextEncoder, network: Any, numbers: Tensor) -> Tensor:
    """Return the output of T5's last layer, or of the one that the user takes, normed."""
    stack = network.encoder
    with _outputs(stack.block) as layers:
        last: Tensor = stack(inputs_embeds=network.shared(numbers)).last_hidden_state
    if clip.last_layer is None or -clip.last_layer > len(layers):
        return last
    chosen: Tensor = stack.final_layer_norm(layers[clip.last_layer])
    return chosen


def _read_by_clip(
    clip: TextEncoder, tower: TextTower, network: Any, numbers: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the output of the chosen layer, and the last one's at the end of the first chunk."""
    encoder = getattr(network, "text_model", network)
    with _outputs(encoder.encoder.layers) as layers:
        last = encoder(numbers).last_hidden_state
    end = int((numbers[0] == tower.tokenizer.eos_token_id).int().argmax())
    return _chosen_layer(clip, tower, encoder, layers, last), last[:1, end]


def _chosen_layer(
    clip: TextEncoder, tower: TextTower, encoder: Any, layers: Sequence[Tensor], last: Tensor
) -> Tensor:
    """Return the output of the layer that the family, or the user, takes.

    Stable Diffusion 1.x and 2.x put the final norm behind whichever layer is taken; later families take it
    as it is.

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
def _outputs(blocks: Iterable[Any]) -> Iterator[list[Tensor]]:
    """Collect what each layer of a tower gives within the block.

    Not by ``output_hidden_states``: for that transformers hooks into the layers once for each model, so that
    layers which a model shares with its LoRAs' twins would tell twice.
    """
    outputs: list[Tensor] = []

    def keep(layer: Any, args: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layer.register_forward_hook(keep) for layer in blocks]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _with_vectors(network: Any, chunks: Sequence[list[Token]]) -> Iterator[None]:
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
    hook = network.get_input_embeddings().register_forward_hook(put)
    try:
        yield
    finally:
        hook.remove()
