from typing import Annotated, Literal

import pytest

from bridge.graph import (
    ALWAYS,
    Choices,
    ChoicesFrom,
    Hidden,
    InputDefinition,
    Lazy,
    ListOf,
    Multiline,
    NodeFunction,
    Omissible,
    OutputDefinition,
    Range,
    RawLink,
    Socket,
    Tooltip,
    node,
)

Image = Annotated[object, Socket("IMAGE")]
Mask = Annotated[object, Socket("MASK")]
Steps = Annotated[int, Range(1, 100), Tooltip("How many.")]


def define(function, **options):
    return node("Test", category="test", **options)(function).node.definition


def test_signature_becomes_the_schema():
    @node("ImagePosterize", category="image/colour", differs="Rounds halves up.")
    def image_posterize(image: Image, levels: Annotated[int, Range(2, 256)] = 8) -> Image:
        """Reduce every channel
        to a few even levels.

        More words.
        """
        return (image, levels)

    assert image_posterize("picture") == ("picture", 8)
    assert isinstance(image_posterize.node, NodeFunction)
    assert image_posterize.node.call is image_posterize
    definition = image_posterize.node.definition
    assert definition.inputs == (
        InputDefinition("image", "IMAGE"),
        InputDefinition("levels", "INT", default=8, minimum=2, maximum=256),
    )
    assert definition.outputs == (OutputDefinition("IMAGE", "IMAGE"),)
    assert (definition.name, definition.category) == ("ImagePosterize", "image/colour")
    assert definition.display_name == "Image Posterize"
    assert definition.description == "Reduce every channel to a few even levels."
    assert definition.module == __name__
    assert definition.differs == "Rounds halves up."
    assert not definition.is_output


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, {"type": "INT"}),
        (float, {"type": "FLOAT"}),
        (str, {"type": "STRING"}),
        (bool, {"type": "BOOLEAN"}),
        (Image, {"type": "IMAGE"}),
        (Literal["a", "b"], {"type": "COMBO", "choices": ("a", "b")}),
        (Annotated[str, Choices(("a", "b"))], {"type": "COMBO", "choices": ("a", "b")}),
        (Annotated[str, ChoicesFrom("loras")], {"type": "COMBO", "choices_from": "loras"}),
        (Annotated[str, Multiline()], {"type": "STRING", "is_multiline": True}),
        (Annotated[Image, Lazy()], {"type": "IMAGE", "is_lazy": True}),
        (Annotated[Image, RawLink()], {"type": "IMAGE", "is_raw_link": True}),
        (Annotated[float, Range(0, 1, 0.1)], {"type": "FLOAT", "minimum": 0, "maximum": 1, "step": 0.1}),
        (Steps, {"type": "INT", "minimum": 1, "maximum": 100, "tooltip": "How many."}),
        (Annotated[Steps, Range(1, 8)], {"type": "INT", "minimum": 1, "maximum": 8, "tooltip": "How many."}),
        (Image | None, {"type": "IMAGE"}),
    ],
)
def test_annotations_and_markers_become_input_definitions(hint, expected):
    def function(x): ...

    function.__annotations__ = {"x": hint}
    assert define(function).inputs == (InputDefinition("x", **expected),)


def test_optional_inputs_default_to_none_and_others_are_required_even_with_a_default():
    def function(image: Image, mask: Mask | None = None, steps: int = 20): ...

    assert [entry.is_required for entry in define(function).inputs] == [True, False, True]


def test_an_input_with_a_default_may_be_omitted_where_it_says_so():
    def function(strength: Annotated[float, Omissible()] = 1.0): ...

    assert define(function).inputs == (InputDefinition("strength", "FLOAT", is_required=False, default=1.0),)


def test_hidden_values_are_no_inputs():
    def function(x: int, prompt: Annotated[object, Hidden("PROMPT")] = None): ...

    definition = define(function)
    assert [entry.name for entry in definition.inputs] == ["x"]
    assert definition.hidden == {"prompt": "PROMPT"}


def test_several_results_are_several_outputs_with_names_if_given():
    def function() -> tuple[Image, Annotated[Mask, ListOf()], int]: ...

    assert define(function).outputs == (
        OutputDefinition("IMAGE", "IMAGE"),
        OutputDefinition("MASK", "MASK", is_list=True),
        OutputDefinition("INT", "INT"),
    )
    assert [output.name for output in define(function, outputs=("a", "b", "c")).outputs] == ["a", "b", "c"]


@pytest.mark.parametrize("result", [None, type(None)])
def test_node_without_result_has_no_outputs(result):
    def function(): ...

    function.__annotations__ = {"return": result}
    assert define(function).outputs == ()


def test_node_without_return_annotation_has_no_outputs():
    def function(): ...

    assert define(function).outputs == ()


def test_options_reach_the_definition():
    def needs():
        return []

    @node(
        "T",
        category="c",
        display_name="Tee",
        is_output=True,
        takes_lists=True,
        fingerprint=lambda: ALWAYS,
        needs=needs,
    )
    async def function() -> None: ...

    assert function.node.definition.display_name == "Tee"
    assert function.node.definition.is_output
    assert function.node.definition.takes_lists
    assert function.node.fingerprint() is ALWAYS
    assert function.node.needs is needs


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("KSampler", "KSampler"),
        ("KSamplerAdvanced", "KSampler Advanced"),
        ("CLIPTextEncode", "CLIP Text Encode"),
        ("VAEDecode", "VAE Decode"),
        ("ImageScale", "Image Scale"),
    ],
)
def test_display_name_is_the_class_name_in_words(name, shown):
    def function(): ...

    assert node(name, category="c")(function).node.definition.display_name == shown


def test_signature_that_is_no_schema_is_refused():
    def no_annotation(x): ...
    def stranger(x: object): ...
    def union(x: int | str): ...
    def positional(*x: int): ...
    def keyword(**x: int): ...
    def low(x: Annotated[int, Range(1, 8)] = 0): ...
    def high(x: Annotated[int, Range(1, 8)] = 9): ...
    def strange(x: Literal["a"] = "b"): ...
    def result() -> object: ...

    for function in (no_annotation, stranger, union, positional, keyword, low, high, strange, result):
        with pytest.raises(TypeError):
            define(function)


def test_every_output_needs_a_name_or_none_has_one():
    def function() -> int: ...

    with pytest.raises(TypeError, match="2 names for 1 outputs"):
        define(function, outputs=("a", "b"))


class Other:
    """What a node may return besides its results."""


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (Image | Other, ["IMAGE"]),
        (int | Other, ["INT"]),
        (tuple[Image, Mask] | Other, ["IMAGE", "MASK"]),
        (tuple[Image | Other, Mask], ["IMAGE", "MASK"]),
    ],
)
def test_what_is_no_socket_may_be_returned_besides_the_results(hint, expected):
    def function(): ...

    function.__annotations__ = {"return": hint}
    assert [output.type for output in define(function).outputs] == expected


@pytest.mark.parametrize("hint", [Image | Mask, Other | list])
def test_a_union_of_several_sockets_or_of_none_is_no_result(hint):
    def function(): ...

    function.__annotations__ = {"return": hint}
    with pytest.raises(TypeError, match="names no socket type"):
        define(function)
