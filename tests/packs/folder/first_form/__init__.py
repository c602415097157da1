"""A pack in ComfyUI's first form: each item of its contract once. No torch."""

import asyncio
import threading
import time

from comfy.comfy_types import IO, ComfyNodeABC
from comfy.utils import ProgressBar
from comfy_api.v0_0_2 import ComfyAPISync
from comfy_execution.graph import ExecutionBlocker
from comfy_execution.graph_utils import GraphBuilder, is_link
from server import PromptServer

from .wild import AnyInputs, Either, Endless, Wild

print("a pack may print")


class Constant(ComfyNodeABC):
    DESCRIPTION = "Gives a number."
    CATEGORY = "packs"
    RETURN_TYPES = (IO.INT,)
    RETURN_NAMES = ("number",)
    OUTPUT_TOOLTIPS = ("The number.",)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"default": 3, "min": 0, "max": 9, "tooltip": "Which."})}}

    def give(self, value):
        return (value,)


class Show:
    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "show"
    CATEGORY = "packs"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"value": ("*",)},
            "hidden": {"node": "UNIQUE_ID", "prompt": "PROMPT", "extra": "EXTRA_PNGINFO"},
        }

    def show(self, value, node, prompt, extra):
        return {"ui": {"value": (value,), "node": [node], "told": [sorted(prompt), extra]}}


class Unmeasured(Show):
    """Shows numbers that JSON does not have."""

    def show(self, value, node, prompt, extra):
        return {"ui": {"value": (float("nan"), {"most": [float("inf")]}, 1.5)}}


class Total:
    """Adds up whatever is linked to it."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "add"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("INT",)}}

    def add(self, first, **others):
        return (first + sum(others.values()),)


class Stack:
    """Takes values of any name, as lists of LoRAs do."""

    RETURN_TYPES = ("*",)
    FUNCTION = "stack"
    PART = "optional"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, cls.PART: AnyInputs({"node": "UNIQUE_ID"} if cls.PART == "hidden" else {})}

    @classmethod
    def IS_CHANGED(cls, **given):
        return sorted(given)

    @classmethod
    def VALIDATE_INPUTS(cls, **given):
        return given.get("a") != "bad"

    def stack(self, **given):
        return (given,)


class HiddenStack(Stack):
    PART = "hidden"


class Two:
    """Takes and gives one of two types."""

    RETURN_TYPES = (Either("IMAGE", ["IMAGE", "LATENT"]),)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"rate": (Either("FLOAT", ["FLOAT", "INT"]), {"default": 8, "max": 60})}}

    def give(self, rate):
        return (rate,)


class Fan:
    """Gives as many values as it is asked for."""

    RETURN_TYPES = Endless(("INT",))
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {"default": 2})}}

    def give(self, count):
        return [10 + each for each in range(count)]


class FanLater(Fan):
    """Has other nodes give them."""

    def give(self, count):
        graph = GraphBuilder()
        fan = graph.node("PackFan", count=count)
        return {"result": tuple(fan.out(each) for each in range(count)), "expand": graph.finalize()}


class Counter:
    """Remembers how often its object was asked."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "count"
    NOT_IDEMPOTENT = True

    def __init__(self):
        self.calls = 0

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"salt": ("INT", {"default": 0})}}

    def count(self, salt):
        self.calls += 1
        return (self.calls,)


class Numbers:
    RETURN_TYPES = ("INT", "INT")
    OUTPUT_IS_LIST = (True, False)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"count": ("INT", {"default": 3})}}

    def give(self, count):
        return [list(range(count)), count]


class Sum:
    INPUT_IS_LIST = (True,)
    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "add"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"values": ("INT",)}, "hidden": {"node": "UNIQUE_ID"}}

    def add(self, values, node):
        return (sum(values), node[0])


class Pick:
    """Asks for one of two lazy inputs."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "pick"

    @classmethod
    def INPUT_TYPES(cls):
        lazy = ("INT", {"lazy": True})
        return {"required": {"a": lazy, "b": lazy, "takes_a": ("BOOLEAN", {"default": True})}}

    def check_lazy_status(self, takes_a, a, b):
        return [] if (a if takes_a else b) is not None else ["a" if takes_a else "b"]

    def pick(self, takes_a, a=None, b=None):
        return (a if takes_a else b,)


class PickLater(Pick):
    async def check_lazy_status(self, takes_a, a, b):
        await asyncio.sleep(0)
        return super().check_lazy_status(takes_a, a, b)


class Source:
    """Tells which link it got."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "tell"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("*", {"rawLink": True})}}

    def tell(self, value):
        assert is_link(value)
        return (f"{value[0]}:{value[1]}",)


class Twice:
    """Expands to two nodes."""

    RETURN_TYPES = ("INT", "STRING")
    FUNCTION = "expand"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT", {"forceInput": True})}, "hidden": {"prompt": "DYNPROMPT"}}

    def expand(self, value, prompt):
        graph, other = GraphBuilder(), GraphBuilder()
        assert graph.prefix != other.prefix
        number = graph.node("PackConstant", value=value)
        added = graph.node("PackTotal", first=number.out(0), second=number.out(0))
        known = ",".join(sorted(prompt.all_node_ids()))
        return {"result": (added.out(0), known), "expand": graph.finalize()}


class Echo:
    """Runs a copy of the node before it, in that node's name."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "expand"

    @classmethod
    def INPUT_TYPES(cls):
        hidden = {"prompt": "DYNPROMPT", "node": "UNIQUE_ID"}
        return {"required": {"value": ("INT", {"rawLink": True}), "kind": ("STRING",)}, "hidden": hidden}

    def expand(self, value, kind, prompt, node):
        assert prompt.has_node(node)
        assert prompt.get_parent_node_id(node) is None
        assert prompt.get_display_node_id(node) == prompt.get_real_node_id(node) == node
        assert list(prompt.get_original_prompt()) == ["1"]
        inputs = prompt.get_node(value[0])["inputs"]
        graph = GraphBuilder()
        copy = graph.node(kind, "copy", **inputs)
        copy.set_override_display_id(value[0])
        stranger = graph.node("PackConstant", value=1)
        stranger.set_override_display_id("nobody")
        return {"result": (copy.out(0),), "expand": graph.finalize()}


class Block:
    RETURN_TYPES = (Wild("*"),)
    FUNCTION = "block"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": (Wild("*"),), "why": ("STRING", {"default": "", "multiline": True})}}

    def block(self, value, why):
        return (ExecutionBlocker(why or None),)


class Changing:
    """Runs again when its clock has moved."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "count"
    clock = 0
    runs = 0
    may_answer = threading.Event()
    has_answered = False

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {"mode": (["clock", "always", "hang", "fail"],), "value": ("*",)},
            "hidden": {"node": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(cls, mode, value, node):
        assert value is None, "what a link brings is not known yet"
        if mode == "always":
            return float("nan")
        if mode == "hang":
            cls.may_answer.wait(20)
            cls.has_answered = True
        if mode == "fail":
            raise ValueError("the world cannot be seen")
        return cls.clock, node

    def count(self, mode, value, node):
        Changing.runs += 1
        return (Changing.runs,)


class Checked:
    RETURN_TYPES = ("INT",)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "value": ("INT", {"min": 0, "max": 9}),
                "mode": (["a", "b"],),
                "bounded": ("INT", {"default": 1, "max": 2}),
            },
            "hidden": {"node": "UNIQUE_ID"},
        }

    @classmethod
    def VALIDATE_INPUTS(cls, value, mode, node):
        if mode == "raise":
            raise ValueError("not like this")
        if mode == "hang":
            time.sleep(3)
        if mode == "no":
            return False
        return True if value != 7 else f"7 is not allowed in node {node}"

    def give(self, value, mode, bounded, node):
        return (value,)


class CheckedLinks:
    RETURN_TYPES = ("INT",)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT",)}}

    @classmethod
    async def VALIDATE_INPUTS(cls, input_types, **inputs):
        await asyncio.sleep(0)
        assert inputs["value"] is None
        return input_types["value"] in ("INT", "STRING") or f"got {input_types['value']}"

    def give(self, value):
        return (len(value) if isinstance(value, str) else value,)


class Slow:
    """Async, with progress and words of its own."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "work"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"value": ("INT",)}, "hidden": {"node": "UNIQUE_ID"}}

    async def work(self, value, node):
        bar = ProgressBar(4, node_id=node)
        bar.update(1)
        await asyncio.sleep(0)
        bar.update_absolute(4)
        ComfyAPISync().execution.set_progress(value=1, max_value=2)
        PromptServer.instance.send_sync("pack.word", {"node": node})
        return (value,)


class Short:
    """Declares more than it gives."""

    RETURN_TYPES = ("INT", "INT")
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}, "optional": {"hint": ("STRING", {"default": "", "max": float("inf")})}}

    def give(self, hint=""):
        return (1,)


class NoTuple(Short):
    def give(self, hint=""):
        return 5


class Fail(Constant):
    def give(self, value):
        raise RuntimeError("it always does")


class Old(Constant):
    DEPRECATED = True
    EXPERIMENTAL = True


class Unreadable:
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        raise RuntimeError("no inputs today \ud800\nnor tomorrow")

    def run(self):
        return ()


@PromptServer.instance.routes.get("/packs/anything")
async def anything(request):
    return None


WEB_DIRECTORY = "./web"
NODE_CLASS_MAPPINGS = {
    f"Pack{kind.__name__}": kind
    for kind in (
        *(
            Constant,
            Show,
            Unmeasured,
            Total,
            Stack,
            HiddenStack,
            Two,
            Fan,
            FanLater,
            Counter,
            Numbers,
            Sum,
            Pick,
            PickLater,
            Source,
            Twice,
            Echo,
            Block,
            Changing,
        ),
        *(Checked, CheckedLinks, Slow, Short, NoTuple, Fail, Old, Unreadable),
    )
}
NODE_DISPLAY_NAME_MAPPINGS = {"PackConstant": "A constant"}
