"""Asking nodes what is wrong with their inputs, while the main thread may be in a model call.

1. A message's questions are answered one after the other, on a thread of their own.
2. Together they have ``JUDGE_S``. A node that has not answered by then is at fault, and so are those behind
   it, which were not asked; the thread is left behind.
3. Whatever a node raises is a fault of its own, and told like one.
"""

import logging
import threading
from collections.abc import Sequence

from bridge.errors import Problem, reason_of
from bridge.graph import Question, Registry

log = logging.getLogger(__name__)

JUDGE_S = 10.0
"""How long the nodes of one workflow may take to look at their inputs."""

REFUSES_INPUTS = "refuses its inputs"
"""What is said of a class whose own code takes no such inputs; a colon and its reason may follow."""

VALIDATOR_TIMEOUT = "validator_timeout"
EXCEPTION = "exception_during_validation"

_NODE_FAULT = "This is a fault of the node's code."


def judge(registry: Registry, questions: Sequence[Question], limit_s: float) -> tuple[Problem, ...]:
    """Return what nodes find wrong with their inputs.

    Args:
        registry: The nodes.
        questions: For the nodes to answer, in this order.
        limit_s: How long all of them together may take.
    """
    answers: list[list[Problem]] = []

    def ask() -> None:
        for question in questions:
            answers.append(_answer(registry, question))

    asking = threading.Thread(target=ask, name="worker-judge", daemon=True)
    asking.start()
    asking.join(limit_s)
    answered = list(answers)
    late = questions[len(answered) :]
    for question in late[:1]:
        log.error("node %s (%s) looks at its inputs for ever", question.node_id, question.class_type)
    return (*(problem for found in answered for problem in found), *(_late(each, limit_s) for each in late))


def _answer(registry: Registry, question: Question) -> list[Problem]:
    function = registry.get(question.class_type)
    if function is None or function.judge is None:  # the worker's nodes are others by now; they judge nothing
        return []
    try:
        return list(function.judge(question.node_id, question.inputs, question.link_types))
    except (Exception, SystemExit) as error:  # a foreign node's code
        log.error("node %s (%s) cannot judge", question.node_id, question.class_type, exc_info=error)
        message = f"{question.class_type} could not look at its inputs: {reason_of(error)}"
        return [Problem(EXCEPTION, message, "The daemon's log has the details.", question.node_id)]


def _late(question: Question, limit_s: float) -> Problem:
    message = f"{question.class_type} did not say within {limit_s:g} s whether its inputs are good"
    return Problem(VALIDATOR_TIMEOUT, message, _NODE_FAULT, question.node_id)
