"""Wants a name of ours, and one of another pack."""

from nodes import NODE_CLASS_MAPPINGS as OURS


class Mine:
    RETURN_TYPES = ("INT",)
    FUNCTION = "give"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    def give(self):
        return (1,)


assert "Constant" in OURS
NODE_CLASS_MAPPINGS = {"Constant": Mine, "PackConstant": Mine, "Honest": Mine}
