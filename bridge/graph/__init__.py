"""Node graphs as plain data: definitions, workflows, validation, signatures. Standard library only."""

from bridge.graph.definition import (
    ALL_INPUTS,
    ANY_TYPE,
    LINK_TYPES,
    WIDGET_TYPES,
    Definitions,
    InputDefinition,
    NodeDefinition,
    OutputDefinition,
    connects,
)
from bridge.graph.drawing import draw_workflow
from bridge.graph.editor import is_drawing, read_drawing
from bridge.graph.nearest import Suggestions
from bridge.graph.node import (
    ALWAYS,
    Choices,
    ChoicesFrom,
    EditorOption,
    ExtraJson,
    FileText,
    Hidden,
    Lazy,
    ListOf,
    Multiline,
    NodeFunction,
    Omissible,
    Prefix,
    Range,
    RawLink,
    Socket,
    Tooltip,
    WorkflowJson,
    node,
)
from bridge.graph.order import ancestors, descendants, parents_of, topological
from bridge.graph.reader import parse_workflow, read_json
from bridge.graph.registry import Failure, Registry
from bridge.graph.signature import signature, signatures
from bridge.graph.validation import Question, Validation, validate
from bridge.graph.values import read_settings, set_values
from bridge.graph.widget import PICTURE_FOLDERS, TINY_VAES, ChoicesOf
from bridge.graph.workflow import Link, Workflow, WorkflowNode, links_of, read_input

__all__ = [
    "ALL_INPUTS",
    "ALWAYS",
    "ANY_TYPE",
    "LINK_TYPES",
    "PICTURE_FOLDERS",
    "TINY_VAES",
    "WIDGET_TYPES",
    "Choices",
    "ChoicesFrom",
    "ChoicesOf",
    "Definitions",
    "EditorOption",
    "ExtraJson",
    "Failure",
    "FileText",
    "Hidden",
    "InputDefinition",
    "Lazy",
    "Link",
    "ListOf",
    "Multiline",
    "NodeDefinition",
    "NodeFunction",
    "Omissible",
    "OutputDefinition",
    "Prefix",
    "Question",
    "Range",
    "RawLink",
    "Registry",
    "Socket",
    "Suggestions",
    "Tooltip",
    "Validation",
    "Workflow",
    "WorkflowJson",
    "WorkflowNode",
    "ancestors",
    "connects",
    "descendants",
    "draw_workflow",
    "is_drawing",
    "links_of",
    "node",
    "parents_of",
    "parse_workflow",
    "read_drawing",
    "read_input",
    "read_json",
    "read_settings",
    "set_values",
    "signature",
    "signatures",
    "topological",
    "validate",
]
