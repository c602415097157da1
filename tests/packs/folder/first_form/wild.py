"""A type that connects to everything, and inputs of any name, as packs write them."""


class Wild(str):
    def __ne__(self, other):
        return False


class AnyInputs(dict):
    def __contains__(self, name):
        return True

    def __getitem__(self, name):
        return self.get(name, ("*",))
