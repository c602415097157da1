"""A pack in ComfyUI's second form: each item of its contract once."""

from comfy_api.latest import ComfyExtension, io, ui

Ticket = io.Custom("TICKET")


class Add(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SchemaAdd",
            display_name="Add",
            category="packs/second",
            description="Adds two numbers.",
            inputs=[
                io.Int.Input("a", default=1, min=0, max=9, tooltip="The first."),
                io.MultiType.Input("b", types=[io.Int, io.Float], optional=True),
                io.Combo.Input("mode", options=["add", "block", "refuse"], default="add"),
                io.MultiCombo.Input("flags", options=["x", "y"], optional=True),
                io.String.Input("note", multiline=True, optional=True, dynamic_prompts=True),
            ],
            outputs=[io.Int.Output("sum", display_name="total", tooltip="a + b"), Ticket.Output()],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
            is_experimental=True,
        )

    @classmethod
    def validate_inputs(cls, mode):
        return mode != "refuse" or "it was told to"

    @classmethod
    def execute(cls, a, mode, b=0, flags=(), note=""):
        if mode == "block":
            return io.NodeOutput(block_execution="told to block")
        assert cls.hidden.prompt
        assert cls.hidden.extra_pnginfo is None
        return io.NodeOutput(a + b + len(flags), f"ticket of {cls.hidden.unique_id}")


class Look(io.ComfyNode):
    looks = 0

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SchemaLook",
            inputs=[io.AnyType.Input("value", lazy=True), io.Boolean.Input("wants", default=True)],
            outputs=[],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def check_lazy_status(cls, wants, value=None):
        return ["value"] if wants and value is None else []

    @classmethod
    def fingerprint_inputs(cls, wants, value):
        return Look.looks

    @classmethod
    async def execute(cls, wants, value=None):
        return io.NodeOutput(ui=ui.PreviewText(str(value)))


class Save(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("SchemaSave", inputs=[io.Image.Input("images")], is_output_node=True)

    @classmethod
    def execute(cls, images):
        return io.NodeOutput(ui=ui.ImageSaveHelper.get_save_images_ui(images, "schema", cls=cls))


class Expanding(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="SchemaExpanding",
            inputs=[Ticket.Input("ticket")],
            outputs=[io.Int.Output()],
            enable_expand=True,
        )

    @classmethod
    def execute(cls, ticket):
        graph = {"inner": {"class_type": "SchemaAdd", "inputs": {"a": len(ticket), "mode": "add"}}}
        return io.NodeOutput(["inner", 0], expand=graph)


class Newer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema("SchemaNewer", inputs=[io.TypeOfTomorrow.Input("ticket")])


class Extension(ComfyExtension):
    is_ready = False

    async def on_load(self):
        self.is_ready = True

    async def get_node_list(self):
        assert self.is_ready
        return [Add, Newer, Look, Save, Expanding]


async def comfy_entrypoint():
    return Extension()
