"""Needs a package that nobody has."""

import a_package_of_nobody  # noqa: F401

NODE_CLASS_MAPPINGS = {}
