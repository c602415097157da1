"""A type that connects to everything, as packs write it."""


class Wild(str):
    def __ne__(self, other):
        return False
