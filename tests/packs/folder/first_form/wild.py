"""A type that connects to everything, and inputs of any name, as packs write them."""


class Wild(str):
    def __ne__(self, other):
        return False


class AnyInputs(dict):
    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return self.get(name, ("*",))


class Either(str):
    """A type that connects to some."""

    def __new__(cls, name, others):
        made = super().__new__(cls, name)
        made.others = others
        return made

    def __ne__(self, other):
        return other != "*" and other not in self.others


class Endless(tuple):
    """Types of as many outputs as are asked for."""

    def __getitem__(self, index):
        return super().__getitem__(min(index, len(self) - 1))
