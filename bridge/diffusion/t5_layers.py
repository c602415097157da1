"""A layer of T5, made of transformers' own."""

from torch import Tensor
from transformers.models.t5.modeling_t5 import T5DenseGatedActDense


class GatedLayer(T5DenseGatedActDense):  # type: ignore[misc]  # transformers is untyped
    """The gated layer whose activations keep their precision, whatever its weights rest in.

    transformers narrows them to that of the last weight, which may be eight bits.
    """

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Return states of the shape of those given, (B, T, C)."""
        result: Tensor = self.wo(self.act(self.wi_0(hidden_states)) * self.wi_1(hidden_states))
        return result


def keep_precision(network: T5DenseGatedActDense) -> None:
    """Make all gated layers of a network such layers."""
    for module in network.modules():
        if isinstance(module, T5DenseGatedActDense):
            module.__class__ = GatedLayer
