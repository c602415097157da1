"""Pictures that an artist chose for a preset, in real Blenders."""

from typing import Any

import pytest


@pytest.fixture(scope="module")
def references(blender) -> dict[str, Any]:
    return blender.run("references")


def test_a_picture_is_read_once_while_it_is_as_its_file_is(references):
    found = references["of_a_file"]
    assert found["is_same"]
    assert found["is_kept_again"]
    assert references["packed"]["is_same"]


def test_what_is_painted_or_loaded_anew_is_sent_at_once(references):
    found = references["of_a_file"]
    assert found["values"] == [51, 153, 204, 102, 102]
    assert found["is_read_while_painted"]
    assert references["packed"]["values"] == [51, 255]
    assert references["generated"]["values"] == [0, 153]


def test_another_picture_in_its_place_is_sent(references):
    assert references["others"] == {"values": [51, 204], "left": 0}


def test_a_large_picture_costs_nothing_the_second_time(references):
    found = references["large"]
    assert found["shape"] == [1024, 1024, 3]
    assert max(found["times"][1:]) < found["times"][0] / 20
