"""Check a packed Unreal plugin before anybody else does.

The fields of ``.uplugin`` are those of Epic's ``FPluginDescriptor``. ``RunUAT BuildPlugin`` drops whatever
lies outside ``Content`` and ``Resources`` unless ``Config/FilterPlugin.ini`` names it.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from bridge.packaging.contents import (
    Check,
    Contents,
    Faults,
    Field,
    Rule,
    assigned,
    inspected,
    misplaced,
    unfit,
    unreadable,
)

ROOT = "Framebridge"
DESCRIPTOR = "Framebridge.uplugin"
FILTER = "Config/FilterPlugin.ini"
PYTHON = "Content/Python"
PACKAGE = f"{PYTHON}/framebridge_unreal"
LIBRARIES = f"{PYTHON}/Lib/site-packages"

LICENCES = {
    "LICENSE": "Apache License",
    f"{PACKAGE}/_bridge/LICENSE": "Apache License",
}
"""Where the licence texts lie, and what each says."""

OURS = {"framebridge_unreal", "websockets"}
"""What a module may import besides the standard library; ``unreal`` only where the engine is talked to."""

ENGINE = (f"{PYTHON}/init_unreal.py", f"{PACKAGE}/__init__.py", f"{PACKAGE}/selftest.py", f"{PACKAGE}/host/")
"""Where ``unreal`` may be imported."""

FORBIDDEN_CALLS = {"exec", "eval", "compile", "__import__"}
FORBIDDEN_MODULES = {
    *("subprocess", "multiprocessing", "asyncio", "socket", "socketserver", "http", "urllib", "ftplib"),
    *("pickle", "marshal", "shelve", "runpy", "code", "builtins", "ctypes", "pip"),
}
FORBIDDEN_MEMBERS = re.compile(r"system|popen|exec[lv]\w*|spawn[lv]\w*|execute_python\w*")
"""What ours, besides the shared client, has no use for: the plugin runs nothing and listens nowhere."""


def inspect_plugin(archive: Path) -> list[Check]:
    """Check the files, descriptor, versions, imports, licences and sources of a packed plugin.

    Raises:
        InvalidPackage: With every fault.
    """
    return inspected(archive, ROOT, CHECKS)


def descriptor_of(contents: Contents) -> Mapping[str, Any]:
    """Return the plugin's descriptor; empty if there is none that can be read."""
    try:
        descriptor = json.loads(contents.text(DESCRIPTOR))
    except (ValueError, UnicodeDecodeError):
        return {}
    return descriptor if isinstance(descriptor, dict) else {}


def _files(contents: Contents) -> Faults:
    yield from misplaced(contents)
    for name in (DESCRIPTOR, FILTER, f"{PYTHON}/init_unreal.py", f"{PACKAGE}/__init__.py", "README.md"):
        if name not in contents.files:
            yield f"{name} is missing"
    for name in contents.files:
        if name.endswith((".so", ".pyd", ".dll", ".dylib", ".uasset", ".umap")):
            yield f"{name} is compiled; the plugin is plain text"


def _descriptor(contents: Contents) -> Faults:
    descriptor = descriptor_of(contents)
    if not descriptor:
        yield f"{DESCRIPTOR} is missing or no JSON"
        return
    yield from unfit(descriptor, FIELDS, OPTIONAL, "the descriptor")
    for key in descriptor.keys() - FIELDS.keys():
        yield f'the descriptor has "{key}", which the engine does not know'


def _filter(contents: Contents) -> Faults:
    lines = [line.strip() for line in contents.text(FILTER).splitlines()]
    if "[FilterPlugin]" not in lines:
        yield f"{FILTER} has no section [FilterPlugin]"
    patterns = [line.lstrip("/").replace("...", "*") for line in lines if line.startswith("/")]
    kept = ("Content/", "Resources/", DESCRIPTOR)
    for name in contents.files:
        if not name.startswith(kept) and not any(fnmatch(name, pattern) for pattern in patterns):
            yield f"{name} would be dropped by BuildPlugin: {FILTER} does not name it"


def _versions(contents: Contents) -> Faults:
    shared = assigned(contents.text(f"{PACKAGE}/_bridge/__init__.py"), "__version__")
    named = descriptor_of(contents).get("VersionName")
    if shared != named:
        yield f"versions differ: {DESCRIPTOR} {named}, _bridge {shared}"


def _imports(contents: Contents) -> Faults:
    for name in _own(contents):
        try:
            tree = ast.parse(contents.files[name])
        except (SyntaxError, ValueError):  # told by another rule
            continue
        may_import = OURS | ({"unreal"} if name.startswith(ENGINE) else set())
        for module in _imported(tree):
            top = module.partition(".")[0]
            if top not in may_import and top not in sys.stdlib_module_names:
                yield f"{name} imports {module}, which is neither standard library nor shipped"
            if "/_bridge/" not in name and top in FORBIDDEN_MODULES:
                yield f"{name} imports {module}, for which the plugin has no use"
        for call in (node.func for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call, ast.Name) and call.id in FORBIDDEN_CALLS:
                yield f"{name} calls {call.id}"
            if isinstance(call, ast.Attribute) and FORBIDDEN_MEMBERS.fullmatch(call.attr):
                yield f"{name} calls {call.attr}"


def _licences(contents: Contents) -> Faults:
    for name, phrase in LICENCES.items():
        if phrase not in contents.text(name):
            yield f"{name} is missing or not the licence it should be"
    texts = [name for name in contents.files if name.startswith(LIBRARIES) and "LICENSE" in name]
    if not any("Redistribution and use" in contents.text(name) for name in texts):
        yield "the licence of websockets is missing"


def _libraries(contents: Contents) -> Faults:
    if f"{LIBRARIES}/websockets/__init__.py" not in contents.files:
        yield "websockets is missing"


def _own(contents: Contents) -> list[str]:
    return [name for name in contents.sources if not name.startswith(LIBRARIES)]


def _imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_plugins(value: Any) -> bool:
    known = {"Name", "Enabled", "Optional"}
    entries = value if isinstance(value, list) else [None]
    return all(isinstance(entry, dict) and {"Name", "Enabled"} <= entry.keys() <= known for entry in entries)


FIELDS: dict[str, Field] = {
    "FileVersion": (lambda value: value == 3, "3"),
    "Version": (lambda value: isinstance(value, int) and value > 0, "a number above 0"),
    "VersionName": (_is_text, "a text"),
    "FriendlyName": (_is_text, "a text"),
    "Description": (_is_text, "a text"),
    "Category": (_is_text, "a text"),
    "CreatedBy": (_is_text, "a text"),
    "CreatedByURL": (lambda value: isinstance(value, str), "a text"),
    "DocsURL": (lambda value: isinstance(value, str), "a text"),
    "MarketplaceURL": (lambda value: isinstance(value, str), "a text"),
    "SupportURL": (lambda value: isinstance(value, str), "a text"),
    "EngineVersion": (_is_text, "a text"),
    "CanContainContent": (lambda value: value is True, "true, or the engine does not see Content"),
    "IsBetaVersion": (_is_flag, "true or false"),
    "Installed": (_is_flag, "true or false"),
    "EnabledByDefault": (_is_flag, "true or false"),
    "Modules": (lambda value: value == [], "empty: there is no compiled code"),
    "Plugins": (_are_plugins, "a list of names that are enabled or optional"),
}
OPTIONAL = {"CreatedByURL", "DocsURL", "MarketplaceURL", "SupportURL", "EngineVersion"}

CHECKS: dict[str, Rule] = {
    "files": (
        _files,
        lambda contents: f"{len(contents.files)} files, {contents.size / 1e6:.1f} MB, all plain text",
    ),
    "descriptor": (
        _descriptor,
        lambda contents: f"{len(descriptor_of(contents))} fields, as the engine reads them",
    ),
    "filter": (_filter, lambda contents: "BuildPlugin keeps every file"),
    "versions": (_versions, lambda contents: f"{descriptor_of(contents).get('VersionName')} everywhere"),
    "libraries": (_libraries, lambda contents: "websockets, unmodified"),
    "imports": (_imports, lambda contents: "standard library and what is shipped, the engine in host only"),
    "licences": (_licences, lambda contents: "texts complete"),
    "sources": (unreadable, lambda contents: f"{len(contents.sources)} modules of Python 3.11"),
}
"""Name → what yields the faults, and what says what was looked at."""
