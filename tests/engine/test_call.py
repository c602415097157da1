import functools

import pytest

from bridge.engine import Expansion
from bridge.engine.call import arguments, call_accepted, gather, is_async, slots
from bridge.errors import ExecutionError
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition

ONE = NodeDefinition("One", "fake", outputs=(OutputDefinition("a", "INT"),))
TWO = NodeDefinition(
    "Two", "fake", outputs=(OutputDefinition("a", "INT"), OutputDefinition("b", "INT", is_list=True))
)
LISTS = NodeDefinition("Lists", "fake", inputs=(InputDefinition("a", "INT"),), takes_lists=True)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [{}]),
        ({"a": [1], "b": [2]}, [{"a": 1, "b": 2}]),
        ({"a": [1, 2, 3], "b": [4, 5]}, [{"a": 1, "b": 4}, {"a": 2, "b": 5}, {"a": 3, "b": 5}]),
        ({"a": [1, 2], "b": []}, []),
    ],
)
def test_a_node_is_called_for_each_value_of_its_longest_list(inputs, expected):
    assert arguments(ONE, inputs) == expected


def test_a_node_that_takes_lists_is_called_once():
    assert arguments(LISTS, {"a": [1, 2], "b": []}) == [{"a": [1, 2], "b": []}]


def test_one_output_is_the_value_itself_several_are_a_tuple():
    assert slots(ONE, (1, 2)) == ((1, 2),)
    assert slots(TWO, (1, [2])) == (1, [2])
    assert slots(NodeDefinition("None", "fake"), "ignored") == ()
    assert slots(TWO, Expansion((1, 2))) == (1, 2)


@pytest.mark.parametrize(("result", "found"), [((1, 2, 3), "3"), ([1, 2], "list"), (None, "NoneType")])
def test_another_number_of_results_than_declared_is_an_error(result, found):
    with pytest.raises(ExecutionError, match=f"Two declares 2 outputs and returned {found}") as caught:
        slots(TWO, result)
    assert caught.value.code == "bad_result"


def test_an_expansion_must_speak_of_each_output():
    with pytest.raises(ExecutionError, match="One declares 1 outputs and returned 2"):
        slots(ONE, Expansion((1, 2)))


def test_values_are_gathered_over_calls_and_list_outputs_joined():
    assert gather(TWO, [(1, [2, 3]), (4, [])], lambda content: None) == ([1, 4], [2, 3])


def test_a_link_stands_for_all_values_of_what_it_leads_to():
    calls = [("link", "link"), (1, [2])]
    assert gather(TWO, calls, lambda content: [7, 8] if content == "link" else None) == ([7, 8, 1], [7, 8, 2])


def test_functions_get_only_what_they_have_parameters_for():
    values = {"a": 1, "b": 2}
    assert call_accepted(lambda: "none", values) == "none"
    assert call_accepted(lambda b: b, values) == 2
    assert call_accepted(lambda **rest: rest, values) == values


class AsyncCallable:
    async def __call__(self):
        return 1


class Callable:
    def __call__(self):
        return 1


async def async_function():
    return 1


def test_async_functions_are_recognised_however_they_are_wrapped():
    assert is_async(async_function)
    assert is_async(AsyncCallable())
    assert is_async(functools.partial(async_function))
    assert not is_async(len)
    assert not is_async(Callable())
