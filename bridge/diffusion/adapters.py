"""What an adapter file says about one weight: the mathematics of each kind.

A change takes a weight in float32 and returns the changed weight; changes of one weight follow one
another. ``alpha`` divided by the rank scales the low-rank kinds, 1 where a file has no ``alpha``.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]
"""Role of a tensor in its kind (``up``, ``down``, ``w1_a`` …) → the tensor, float32."""


def changed(kind: str, weight: Tensor, parts: Parts, strength: float) -> Tensor:
    """Return a weight as an adapter wants it.

    Args:
        kind: A key of ``bridge.models.ADAPTER_KINDS``.
        weight: float32, shape (out, in) or (out, in, kh, kw).
        parts: What the file holds for it, on the weight's device.
        strength: How far to go: 0 is the weight itself, 1 as trained, negative the other way. What replaces
            the weight does so whatever it is.

    Raises:
        RuntimeError: If shapes do not go together, as torch says it.
        ValueError: If the outputs are not as many as the weight's.
    """
    if kind == "replacement":
        return parts["value"].reshape(weight.shape)
    difference = _DIFFERENCES[kind](weight, parts)
    if len(difference) != len(weight):
        raise ValueError(f"{len(difference)} outputs for a weight of {len(weight)}")
    difference = difference.reshape(weight.shape)
    if "magnitude" in parts or "dora_scale" in parts:
        difference = _decomposed(weight, difference, parts) - weight
    return weight + strength * difference


def _lora(weight: Tensor, parts: Parts) -> Tensor:
    """B A, or with a middle convolution its Tucker decomposition. Source: Hu et al. 2021, §4.1."""
    up, down = parts["up"].flatten(1), parts["down"]
    if "mid" in parts:
        down = torch.einsum("mnkl,ni->mikl", parts["mid"], down.flatten(1))
    return _scale(parts, len(down)) * (up @ down.flatten(1))


def _loha(weight: Tensor, parts: Parts) -> Tensor:
    """(A1 B1) ∘ (A2 B2). Source: Hyeon-Woo et al. 2021 (FedPara), eqs. 2 and 4."""
    first, second = (_factored(parts, f"w{each}", f"t{each}") for each in (1, 2))
    return _scale(parts, len(parts["w1_b"])) * first * second


def _lokr(weight: Tensor, parts: Parts) -> Tensor:
    """A Kronecker product of two matrices, each whole or factored. Source: Yeh et al. 2023 (LyCORIS), §3."""
    first, second = (
        parts[name] if name in parts else _factored(parts, name, f"t{name[1]}") for name in ("w1", "w2")
    )
    factored = [name for name in ("w2_b", "w1_b") if name in parts]
    scale = _scale(parts, len(parts[factored[0]])) if factored else 1.0
    first = first.reshape(*first.shape, *(1,) * (second.ndim - first.ndim))
    return scale * torch.kron(first, second.contiguous())


def _glora(weight: Tensor, parts: Parts) -> Tensor:
    """W A + B, both of low rank. Source: Chavan et al. 2023, eq. 10, in LyCORIS's two layouts."""
    a1, a2, b1, b2 = (parts[name].flatten(1) for name in ("a1", "a2", "b1", "b2"))
    is_square = weight.shape[0] == weight[0].numel()
    fits_newer = len(b2) == b1.shape[1] == a1.shape[1] == len(a2)
    fits_older = len(a1) == len(b1) == a2.shape[1] == b2.shape[1]
    is_older = fits_older and (not fits_newer or (is_square and len(a2) == len(weight)))
    if is_older:  # the factors stand the other way round
        a1, a2, b1, b2 = a2, a1, b2, b1
        bent = weight.flatten(1) @ a1 @ a2
    else:
        bent = torch.einsum("oi...,ir,rj->oj...", weight, a1, a2)
    return _scale(parts, a1.shape[1]) * (bent.flatten(1) + b1 @ b2)


def _oft(weight: Tensor, parts: Parts) -> Tensor:
    """Turn groups of outputs, each by an orthogonal matrix in Cayley's form.

    ``alpha`` bounds the turn. Source: Qiu et al. 2023, §3.3, as LyCORIS stores it.
    """
    blocks = parts["blocks"]  # (groups, n, n)
    skew = blocks - blocks.mT
    bound = float(parts.get("alpha", 0.0))
    if bound > 0:
        skew = skew * min(1.0, bound / (float(skew.norm()) + 1e-8))
    unit = torch.eye(blocks.shape[1], device=blocks.device)
    turn = (unit + skew) @ torch.linalg.inv(unit - skew)
    groups = weight.reshape(len(blocks), blocks.shape[1], -1)
    turned = torch.einsum("gnm,gni->gmi", turn, groups).reshape(weight.shape)
    if "rescale" in parts:
        turned = turned * parts["rescale"].reshape(-1, *(1,) * (weight.ndim - 1))
    return turned - weight


def _difference(weight: Tensor, parts: Parts) -> Tensor:
    return parts["diff"]


_DIFFERENCES = {
    "lora": _lora,
    "loha": _loha,
    "lokr": _lokr,
    "glora": _glora,
    "oft": _oft,
    "difference": _difference,
    "bias_difference": _difference,
}


def _scale(parts: Parts, rank: int) -> float:
    return float(parts["alpha"]) / rank if "alpha" in parts else 1.0


def _factored(parts: Parts, name: str, core: str) -> Tensor:
    """A B, or with a core tensor its Tucker decomposition, in which A comes transposed."""
    a, b = parts[f"{name}_a"], parts[f"{name}_b"]
    if core in parts:
        return torch.einsum("mnkl,ni,mo->oikl", parts[core], b, a)
    return a @ b


def _decomposed(weight: Tensor, difference: Tensor, parts: Parts) -> Tensor:
    """Give the changed weight the norms that were trained apart. Source: Liu et al. 2024 (DoRA), eq. 5."""
    moved = weight + difference
    inner = tuple(range(1, weight.ndim))
    if "magnitude" in parts:  # PEFT's: one norm for each output
        return moved * (parts["magnitude"].reshape(-1, *(1,) * len(inner)) / _norm(moved, inner))
    trained = parts["dora_scale"]
    if len(trained) == len(weight):
        # The paper's norm is of the moved weight; LyCORIS files are played with the original's by ComfyUI,
        # whose numbers we keep.
        return moved * (trained.reshape(-1, *(1,) * len(inner)) / _norm(weight, inner))
    return moved * (trained / _norm(moved, (0, *inner[1:])))


def _norm(weight: Tensor, axes: tuple[int, ...]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return norm + torch.finfo(torch.float32).eps
