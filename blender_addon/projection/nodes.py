# SPDX-License-Identifier: GPL-3.0-or-later
"""Write shader nodes as expressions, in the node API of every Blender we support."""

from __future__ import annotations

from typing import Any

import bpy

Operand = bpy.types.NodeSocket | float | tuple[float, float, float]
"""What a node's input is fed with: another node's output, or a constant."""

_SOCKETS = {"VECTOR": "NodeSocketVector", "FLOAT": "NodeSocketFloat", "COLOR": "NodeSocketColor"}
_WIDTH, _HEIGHT = 180, 190


class Expression:
    """Adds nodes to a tree, each behind the last one, and returns their outputs."""

    def __init__(self, tree: bpy.types.NodeTree, place: tuple[float, float] = (0.0, 0.0), rows: int = 8):
        """Lay the nodes out in columns of ``rows``, from this place downwards."""
        self.tree = tree
        self._place = place
        self._rows = rows
        self._count = 0

    def node(self, kind: str, label: str = "", **settings: Any) -> bpy.types.Node:
        """Add a node of a type, with its properties set."""
        node = self.tree.nodes.new(kind)
        for name, value in settings.items():
            setattr(node, name, value)
        node.label = label
        node.hide = kind in {"ShaderNodeMath", "ShaderNodeVectorMath", "ShaderNodeClamp"}
        column, row = divmod(self._count, self._rows)
        node.location = (self._place[0] + column * _WIDTH, self._place[1] - row * _HEIGHT)
        self._count += 1
        return node

    def feed(self, socket: bpy.types.NodeSocket, value: Operand) -> None:
        """Link a value to an input, or set it there."""
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = value

    def math(self, operation: str, *values: Operand, label: str = "") -> bpy.types.NodeSocket:
        """Return an operation on numbers."""
        node = self.node("ShaderNodeMath", label, operation=operation)
        for socket, value in zip(node.inputs, values, strict=False):
            self.feed(socket, value)
        return node.outputs["Value"]

    def vector(self, operation: str, *values: Operand, label: str = "") -> bpy.types.NodeSocket:
        """Return an operation on vectors; a dot product and a length are numbers."""
        node = self.node("ShaderNodeVectorMath", label, operation=operation)
        vectors = [socket for socket in node.inputs if socket.type == "VECTOR"]
        for socket, value in zip(vectors, values, strict=False):
            self.feed(socket, value)
        return node.outputs["Value" if operation in {"DOT_PRODUCT", "LENGTH"} else "Vector"]

    def scale(self, vector: Operand, factor: Operand) -> bpy.types.NodeSocket:
        """Return a vector, or a colour, times a number."""
        node = self.node("ShaderNodeVectorMath", operation="SCALE")
        self.feed(node.inputs[0], vector)
        self.feed(node.inputs["Scale"], factor)
        return node.outputs["Vector"]

    def mixed(self, one: Operand, other: Operand, factor: Operand) -> bpy.types.NodeSocket:
        """Return what lies between two vectors, or colours: the first at 0, the other at 1."""
        return self.vector("ADD", one, self.scale(self.vector("SUBTRACT", other, one), factor))

    def gamma(self, color: Operand, power: float) -> bpy.types.NodeSocket:
        """Return a colour whose positive parts are raised to a power."""
        node = self.node("ShaderNodeGamma")
        self.feed(node.inputs["Color"], color)
        node.inputs["Gamma"].default_value = power
        return node.outputs["Color"]

    def clamped(self, value: Operand) -> bpy.types.NodeSocket:
        """Return a number limited to 0..1."""
        node = self.node("ShaderNodeClamp")
        self.feed(node.inputs["Value"], value)
        return node.outputs["Result"]

    def smoothstep(self, low: float, high: float, value: Operand) -> bpy.types.NodeSocket:
        """Return a smooth rise from 0 to 1."""
        node = self.node("ShaderNodeMapRange", interpolation_type="SMOOTHSTEP")
        for name, given in (("Value", value), ("From Min", low), ("From Max", max(high, low + 1e-6))):
            self.feed(node.inputs[name], given)
        return node.outputs["Result"]

    def combined(self, x: Operand, y: Operand, z: Operand = 0.0) -> bpy.types.NodeSocket:
        """Return a vector of three numbers."""
        node = self.node("ShaderNodeCombineXYZ")
        for socket, value in zip(node.inputs, (x, y, z), strict=True):
            self.feed(socket, value)
        return node.outputs["Vector"]

    def separated(self, vector: Operand) -> tuple[bpy.types.NodeSocket, ...]:
        """Return a vector's three numbers."""
        node = self.node("ShaderNodeSeparateXYZ")
        self.feed(node.inputs[0], vector)
        return tuple(node.outputs)

    def constant(self, name: str, value: float) -> bpy.types.NodeSocket:
        """Return a number that can be found by its node's name, and changed there."""
        node = self.node("ShaderNodeValue", name)
        node.name = name
        node.outputs[0].default_value = value
        return node.outputs[0]

    def image(
        self, image: bpy.types.Image, place: Operand, name: str, interpolation: str
    ) -> bpy.types.NodeSocket:
        """Return the colour of an image at a place."""
        node = self.node(
            "ShaderNodeTexImage", name, image=image, interpolation=interpolation, extension="EXTEND"
        )
        node.name = name
        self.feed(node.inputs["Vector"], place)
        return node.outputs["Color"]


def add_socket(group: bpy.types.NodeTree, name: str, kind: str, is_output: bool = False) -> None:
    """Give a node group an input or an output: ``VECTOR``, ``FLOAT`` or ``COLOR``."""
    if hasattr(group, "interface"):  # Blender 4
        group.interface.new_socket(
            name, in_out="OUTPUT" if is_output else "INPUT", socket_type=_SOCKETS[kind]
        )
    else:
        (group.outputs if is_output else group.inputs).new(_SOCKETS[kind], name)
