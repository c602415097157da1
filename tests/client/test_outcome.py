import pytest

from bridge.client import Outcome, error_from, error_of
from bridge.errors import (
    BridgeError,
    ConnectionLost,
    ExecutionError,
    Interrupted,
    ModelNotFound,
    Problem,
    WorkflowError,
)
from bridge.protocol import Finished, Plane, Result


def plane(value: int) -> Plane:
    return Plane("image", (1, 1, 3), "u8", bytes([value] * 3))


def test_images_of_all_results_in_order() -> None:
    results = (Result("8", (plane(1), plane(2)), job="j"), Result("9", (plane(3),), job="j"))
    assert Outcome("j", results, Finished("done", job="j")).images == (plane(1), plane(2), plane(3))


def test_code_chooses_the_class_that_callers_know() -> None:
    problem = Problem("model_not_found", "no x", "Nearest: y.", "4", "ckpt_name")
    error = error_from([problem], WorkflowError)
    assert isinstance(error, ModelNotFound)
    assert error.problem == problem


@pytest.mark.parametrize(
    ("code", "kind"),
    [("cancelled", Interrupted), ("connection_lost", ConnectionLost), ("node_failed", ExecutionError)],
)
def test_failed_job_becomes_the_error_of_its_kind(code: str, kind: type[BridgeError]) -> None:
    assert type(error_from([Problem(code, "")], ExecutionError)) is kind


def test_refused_workflow_keeps_every_fault() -> None:
    problems = (Problem("unknown_node", "a", node_id="1"), Problem("model_not_found", "b", node_id="2"))
    error = error_from(problems, WorkflowError)
    assert isinstance(error, WorkflowError)
    assert error.problems == problems
    assert error_from(problems[:1], WorkflowError).problems == problems[:1]


def test_unknown_code_is_kept() -> None:
    error = error_from([Problem("brand_new", "text", "hint")])
    assert (type(error), error.code, error.hint) == (BridgeError, "brand_new", "hint")


@pytest.mark.parametrize(("state", "kind"), [("cancelled", Interrupted), ("failed", ExecutionError)])
def test_an_end_that_is_not_explained_is_an_error_all_the_same(state: str, kind: type[BridgeError]) -> None:
    assert type(error_of(Finished(state, job="j"))) is kind
    explained = Finished(state, job="j", problems=(Problem("connection_lost", ""),))
    assert type(error_of(explained)) is ConnectionLost
