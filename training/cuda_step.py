"""Forward and backward of a task on CUDA, in bfloat16, replayed as CUDA graphs.

The networks are small: launching their two thousand kernels one by one takes longer than running them.
A graph is captured for every set of input shapes that a task draws, and replayed from then on.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.task import Inputs, MakeTask, Plan, Task

WARM_UP_STEPS = 3
"""Steps before a capture, in which libraries choose their kernels."""


@dataclass(frozen=True)
class _Graph:
    graph: torch.cuda.CUDAGraph
    inputs: Mapping[str, Tensor]
    loss: Tensor
    numbers: Mapping[str, Tensor]
    gradients: list[Tensor | None]


class CudaStep:
    """Computes gradients for the float32 weights of ``model`` on a bfloat16 copy of it."""

    def __init__(self, model: nn.Module, make_task: MakeTask, plan: Plan) -> None:
        self._copy = deepcopy(model).bfloat16()
        self.task: Task = make_task(self._copy, plan, 0)
        pairs = zip(model.parameters(), self._copy.parameters(), strict=True)
        trained = [(p, c) for p, c in pairs if p.requires_grad]
        self._parameters, self._copies = [p for p, _ in trained], [c for _, c in trained]
        self._graphs: dict[tuple[tuple[str, tuple[int, ...]], ...], _Graph] = {}

    @torch.no_grad()
    def refresh(self) -> None:
        """Copy the float32 weights, after they changed."""
        torch._foreach_copy_(self._copies, self._parameters)

    def compute(self, inputs: Inputs) -> tuple[Tensor, dict[str, Tensor]]:
        """Put the gradients of a batch into the float32 weights; return loss and numbers."""
        tensors = {name: value for name, value in inputs.items() if value is not None}
        key = tuple((name, tuple(value.shape)) for name, value in tensors.items())
        if key not in self._graphs:
            self._graphs[key] = self._capture(inputs)
        step = self._graphs[key]
        for name, value in tensors.items():
            step.inputs[name].copy_(value)
        step.graph.replay()
        for parameter, gradient in zip(self._parameters, step.gradients, strict=True):
            parameter.grad = gradient
        return step.loss.clone(), {name: value.clone() for name, value in step.numbers.items()}

    def _capture(self, drawn: Inputs) -> _Graph:
        inputs = {name: None if value is None else value.clone() for name, value in drawn.items()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._forget_gradients()
                self.task.loss(inputs)[0].backward()  # type: ignore[no-untyped-call]
        torch.cuda.current_stream().wait_stream(stream)
        self._forget_gradients()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss, numbers = self.task.loss(inputs)
            loss.backward()  # type: ignore[no-untyped-call]
            gradients = [None if copy.grad is None else copy.grad.float() for copy in self._copies]
        self._forget_gradients()
        static = {name: value for name, value in inputs.items() if value is not None}
        return _Graph(graph, static, loss.detach(), numbers, gradients)

    def _forget_gradients(self) -> None:
        for copy in self._copies:
            copy.grad = None
