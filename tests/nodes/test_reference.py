"""Nodes without a model give ComfyUI's numbers.

``reference_outputs.npz`` holds what ComfyUI 0.3.64 gave on the CPU for ``reference_cases.json``: of each
output the shape and about a hundred of its numbers.
"""

import json
from pathlib import Path

import numpy as np
import pytest

import bridge.nodes
from bridge.graph import Registry
from tests.nodes.reference_inputs import filled, flattened, thinned

HERE = Path(__file__).parent
CASES = json.loads((HERE / "reference_cases.json").read_text(encoding="utf-8"))
NODES = Registry.of_package(bridge.nodes)


@pytest.fixture(scope="module")
def reference():
    with np.load(HERE / "reference_outputs.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", CASES)
def test_a_node_gives_the_numbers_of_comfyui(name, reference):
    for index, inputs in enumerate(CASES[name]):
        ours = flattened(f"{name}/{index}", NODES[name].call(**filled(inputs)))
        ours = {key: thinned(value) for key, value in ours.items() if "downscale_ratio" not in key}
        theirs = {
            key: value
            for key, value in reference.items()
            if key.startswith(f"{name}/{index}/") or key == f"{name}/{index}"
        }
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            if value.dtype.kind == "U":
                assert ours[key] == value, key
            else:
                np.testing.assert_allclose(ours[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
