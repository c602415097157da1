from bridge.cli.reference import nodes_page
from bridge.graph import InputDefinition, NodeDefinition, OutputDefinition

NUMBERS = tuple(f"n{number}" for number in range(9))
BLEND = NodeDefinition(
    "ImageBlend",
    "image",
    "Blend Images",
    "Mix a|b as ``blend_mode`` says.",
    inputs=(
        InputDefinition("image", "IMAGE"),
        InputDefinition("factor", "FLOAT", default=0.5, minimum=0, maximum=1, step=0.01, tooltip="How much."),
        InputDefinition("mode", "COMBO", default="a", choices=("a", "b|c")),
        InputDefinition("mask", "MASK", is_required=False, is_lazy=True),
    ),
    outputs=(OutputDefinition("IMAGE", "IMAGE"), OutputDefinition("rest", "MASK", is_list=True)),
    differs="Never rounds.",
)
LOAD = NodeDefinition(
    "Load",
    "Loaders",
    "Load",
    "Load.",
    inputs=(
        InputDefinition("name", "COMBO", choices_from="vae"),
        InputDefinition("number", "COMBO", choices=NUMBERS),
    ),
    is_output=True,
)


def page(*definitions, absent=None):
    return nodes_page({entry.name: entry for entry in definitions}, absent or {})


def test_a_node_is_shown_with_inputs_outputs_and_what_differs():
    assert """\
## image

### ImageBlend · Blend Images

Mix a\\|b as `blend_mode` says.

| input | type | default | values | |
|---|---|---|---|---|
| `image` | IMAGE |  |  |  |
| `factor` | FLOAT | `0.5` | `0` … `1`, step `0.01` | How much. |
| `mode` | COMBO | `a` | `a`, `b\\|c` |  |
| `mask` | MASK |  |  | optional; fetched only when needed |

Outputs: `IMAGE`, `rest` MASK (a list).

**Differs from ComfyUI:** Never rounds.
""" in page(BLEND)


def test_categories_come_in_order_whatever_their_case():
    text = page(LOAD, BLEND)
    assert text.index("## image") < text.index("## Loaders")


def test_a_folder_is_named_and_a_long_list_stands_at_the_end_once():
    text = page(LOAD, NodeDefinition("Other", "x", "Other", inputs=LOAD.inputs))
    assert "| `name` | COMBO |  | what lies in `vae` |  |" in text
    assert text.count("[number](#number)") == 2
    assert text.count("`n0`, `n1`") == 1


def test_two_long_lists_of_one_name_are_told_apart():
    other = NodeDefinition("Other", "x", inputs=(InputDefinition("number", "COMBO", choices=NUMBERS[::-1]),))
    assert "[number of Other](#number-of-other)" in page(LOAD, other)


def test_what_is_missing_is_listed_by_name_with_its_reason():
    text = page(
        absent={"A": {"Needs b.": ["Zed", "alpha"], "Needs a.": ["Mid"]}, "B pack": {"Late.": ["Mid"]}}
    )
    head = "| node | why |\n|---|---|\n"
    assert text.endswith(
        f"### Of A\n\n{head}| alpha | Needs b. |\n| Mid | Needs a. |\n| Zed | Needs b. |\n\n"
        f"### Of B pack\n\n{head}| Mid | Late. |\n"
    )
