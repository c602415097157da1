"""A node library whose node ``Picky`` judges its input itself."""

import os
import time
from dataclasses import replace

import fake_nodes

from bridge.engine import NodeLibrary
from bridge.errors import Problem
from bridge.graph import Registry


def load(settings):
    """Bring the fake nodes, and one that judges."""
    nodes = fake_nodes.registry()
    constant = nodes["Constant"]
    definition = replace(constant.definition, name="Picky", judges=("value",))
    picky = replace(constant, definition=definition, judge=judge)
    return NodeLibrary(Registry([*nodes.values(), picky]))


def judge(node_id, inputs, link_types):
    """Refuse 7, hang at 8, end the process at 9, raise at 10."""
    value = inputs["value"]
    if value == 8:
        time.sleep(60)
    if value == 9:
        os._exit(3)
    if value == 10:
        raise SystemExit("I leave")
    return [Problem("custom_validation_failed", "no sevens", "", node_id, "value")] if value == 7 else []
