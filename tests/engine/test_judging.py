from dataclasses import replace

from bridge.engine.judging import judge
from bridge.errors import Problem
from bridge.graph import Question, Registry


def question(kind="Add", node_id="1"):
    return Question(node_id, kind, {"a": 1}, {})


def registry_with(registry, judge):
    return Registry([replace(registry["Add"], judge=judge)])


def test_answers_are_what_nodes_say(registry):
    problem = Problem("bad", "no")
    told = []

    def ask(*question):
        told.append(question)
        return [problem]

    assert judge(registry_with(registry, ask), [question()], 5.0) == (problem,)
    assert told == [("1", {"a": 1}, {})]


def test_a_node_that_is_gone_or_judges_nothing_has_no_objection(registry):
    assert judge(registry, [question(), question("NotThere")], 5.0) == ()


def test_what_a_node_raises_is_told_in_one_line(registry, caplog):
    def ask(*question):
        raise ValueError("first \ud800\nsecond")

    (problem,) = judge(registry_with(registry, ask), [question()], 5.0)
    assert problem.code == "exception_during_validation"
    assert problem.message == "Add could not look at its inputs: ValueError: first ?"
