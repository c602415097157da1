"""Judging a workflow by node definitions alone: no node's code is needed, and every fault is named.

1. What counts is what an output node needs; the rest of a workflow may be unfinished.
2. Where targets are given, the other outputs count as not there.
3. An output runs if neither it nor anything upstream of it is at fault; other outputs do not matter.
4. Values are converted as ``bridge.graph.widget`` says; the workflow that comes back holds them.
5. Inputs that a node does not take are dropped with a warning; their links are not followed.
6. Problems come in the order of the workflow's nodes, then of the nodes' inputs.
7. A node that judges inputs by its own code is asked afterwards (``questions``), where nothing else is
   wrong with it; ``with_verdicts`` adds what it answers.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bridge.errors import Problem, WorkflowError
from bridge.graph.cycles import cycles
from bridge.graph.definition import Definitions, NodeDefinition
from bridge.graph.inputs import InputChecker
from bridge.graph.nearest import Suggestions
from bridge.graph.order import ancestors, descendants
from bridge.graph.place import listing, quote
from bridge.graph.reader import OUTPUT_HINT
from bridge.graph.widget import ChoicesOf
from bridge.graph.workflow import Link, Workflow, WorkflowNode, links_of


@dataclass(frozen=True, slots=True)
class Question:
    """What a node is to judge by its own code.

    Args:
        node_id: The node.
        class_type: Its class.
        inputs: Its converted literals; ``None`` where a link will bring the value.
        link_types: Of each link, the socket type that it brings.
    """

    node_id: str
    class_type: str
    inputs: Mapping[str, Any]
    link_types: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the question as JSON data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Validation:
    """What of a workflow can run.

    Args:
        workflow: The same nodes; those that an output needs hold converted values and declared
            inputs only.
        outputs: Ids of the output nodes that can run, in workflow order.
        problems: Why other outputs cannot.
        warnings: What is odd but does no harm.
    """

    workflow: Workflow
    outputs: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()

    def questions(self, definitions: Definitions) -> tuple["Question", ...]:
        """Return what the nodes that outputs need want to be asked about, each once."""
        wanted = ancestors(self.workflow.nodes, self.outputs)
        return tuple(
            _question(node, definition, self.workflow, definitions)
            for node_id, node in self.workflow.nodes.items()
            if node_id in wanted and (definition := definitions[node.class_type]).judges
        )

    def with_verdicts(self, problems: Iterable[Problem]) -> "Validation":
        """Return the same with what nodes themselves found wrong (rule 3)."""
        found = tuple(problems)
        broken = descendants(self.workflow.nodes, {problem.node_id for problem in found})
        outputs = tuple(node_id for node_id in self.outputs if node_id not in broken)
        return replace(self, outputs=outputs, problems=(*self.problems, *found))

    def raise_if_nothing_runs(self) -> None:
        """Turn the problems into an exception, unless at least one output can run.

        Raises:
            WorkflowError: With all problems, and the warnings behind them.
        """
        if not self.outputs:
            raise WorkflowError((*self.problems, *self.warnings))


def validate(
    workflow: Workflow, definitions: Definitions, choices: ChoicesOf, targets: Collection[str] = ()
) -> Validation:
    """Find out which outputs of a workflow can run, and everything that keeps the others from it.

    Args:
        workflow: As parsed.
        definitions: The nodes that exist.
        choices: Lists the names in a folder (``checkpoints``, ``input`` …).
        targets: The output nodes that are wanted; empty for all. What is no output node is passed over
            with a warning.
    """
    return _Validator(workflow, definitions, choices).validation(targets)


def _listed(outputs: Iterable[str]) -> str:
    return f"Output nodes: {listing([quote(node_id, marks=False) for node_id in outputs], 10)}."


def _question(
    node: WorkflowNode, definition: NodeDefinition, workflow: Workflow, definitions: Definitions
) -> Question:
    taken = {name: value for name, value in node.inputs.items() if definition.takes(name, value)}
    values = {name: None if isinstance(value, Link) else value for name, value in taken.items()}
    types = {}
    for name, link in links_of(node):
        if definition.input(name):
            source = definitions[workflow.nodes[link.node_id].class_type]
            types[name] = source.output(link.slot).type
    return Question(node.id, node.class_type, values, types)


class _Validator:
    """Collects the problems of one workflow, by node."""

    def __init__(self, workflow: Workflow, definitions: Definitions, choices: ChoicesOf) -> None:
        self.workflow = workflow
        self.definitions = definitions
        self.suggestions = Suggestions()
        self.inputs = InputChecker(workflow, definitions, choices, self.suggestions)
        self.problems: dict[str, list[Problem]] = {node_id: [] for node_id in workflow.nodes}
        self.warnings: list[Problem] = []

    def validation(self, targets: Collection[str]) -> Validation:
        nodes = {node_id: self.declared_part(node) for node_id, node in self.workflow.nodes.items()}
        outputs = [node_id for node_id, node in nodes.items() if self.is_output(node)]
        if not outputs:
            self.check_classes(nodes)
            nothing = Problem("no_outputs", "the workflow has no output node", OUTPUT_HINT)
            return Validation(self.workflow, (), (nothing, *self.in_order()))
        if targets:
            self.warn_of_strangers(targets, outputs)
            hint = _listed(outputs)
            outputs = [node_id for node_id in outputs if node_id in targets]
        if not outputs:
            nothing = Problem("no_outputs", "none of the targets is an output node", hint)
            return Validation(self.workflow, (), (nothing,), tuple(self.warnings))
        wanted = ancestors(nodes, outputs)
        needed = {node_id: node for node_id, node in nodes.items() if node_id in wanted}
        unknown = self.check_classes(needed)
        checked = {node_id: self.checked(node) for node_id, node in needed.items()}
        self.check_cycles(needed)
        self.warn_of_unused(node for node_id, node in nodes.items() if node_id not in wanted)
        faulty = unknown.union(node_id for node_id, problems in self.problems.items() if problems)
        broken = descendants(needed, faulty)
        return Validation(
            Workflow({**self.workflow.nodes, **checked}),
            tuple(node_id for node_id in outputs if node_id not in broken),
            self.in_order(),
            tuple(self.warnings),
        )

    def in_order(self) -> tuple[Problem, ...]:
        return tuple(problem for problems in self.problems.values() for problem in problems)

    def is_output(self, node: WorkflowNode) -> bool:
        definition = self.definitions.get(node.class_type)
        return definition is not None and definition.is_output

    def declared_part(self, node: WorkflowNode) -> WorkflowNode:
        """Return a node with the inputs that its class takes; all of them where the class is unknown."""
        definition = self.definitions.get(node.class_type)
        if definition is None:
            return node
        taken = {name: value for name, value in node.inputs.items() if definition.takes(name, value)}
        return replace(node, inputs=taken)

    def checked(self, node: WorkflowNode) -> WorkflowNode:
        """Report the faults of a node's inputs; return the node with converted values."""
        definition = self.definitions.get(node.class_type)
        if definition is None:
            return node
        self.warnings.extend(self.inputs.undeclared(self.workflow.nodes[node.id], definition))
        converted, problems = self.inputs.check(node, definition)
        self.problems[node.id].extend(problems)
        return converted

    def check_classes(self, nodes: Mapping[str, WorkflowNode]) -> set[str]:
        """Report each unknown class once, at the first node of it; return all nodes of such classes."""
        users: dict[str, list[str]] = {}
        for node in nodes.values():
            if node.class_type not in self.definitions:
                users.setdefault(node.class_type, []).append(node.id)
        for class_type, ids in users.items():
            named = listing([quote(node_id, marks=False) for node_id in ids], 10)
            message = (
                f"there is no node class {quote(class_type)} ({'nodes' if len(ids) > 1 else 'node'} {named})"
            )
            hint = self.suggestions.did_you_mean(class_type, self.definitions)
            self.problems[ids[0]].append(Problem("unknown_node", message, hint, ids[0]))
        return {node_id for ids in users.values() for node_id in ids}

    def check_cycles(self, nodes: Mapping[str, WorkflowNode]) -> None:
        for path in cycles(nodes):
            shown = path if len(path) <= 12 else [*path[:6], "…", *path[-5:]]
            arrows = " → ".join(quote(node_id, marks=False) for node_id in shown)
            message = f"these nodes wait for each other: {arrows}"
            self.problems[path[0]].append(Problem("cycle", message, "Remove one of these links.", path[0]))

    def warn_of_strangers(self, targets: Collection[str], outputs: Collection[str]) -> None:
        """Name targets that are no output nodes."""
        for target in targets:
            if target not in outputs:
                message = f"the target {quote(target)} is no output node of this workflow"
                self.warnings.append(Problem("bad_target", message, _listed(outputs), is_warning=True))

    def warn_of_unused(self, nodes: Iterable[WorkflowNode]) -> None:
        """Name unknown classes that nothing needs: one of them may have been meant as an output."""
        for node in nodes:
            if node.class_type not in self.definitions:
                message = f"no output needs this node of the unknown class {quote(node.class_type)}"
                hint = self.suggestions.did_you_mean(node.class_type, self.definitions)
                self.warnings.append(Problem("unused_node", message, hint, node.id, is_warning=True))
