"""The staged add-on is an extension that Blender's own tool accepts."""

import subprocess


def test_extension_tool_accepts_the_staged_add_on(blender):
    site = next((blender.python.parent.parent / "lib").glob("python3.*/site-packages/bpy/*.*/scripts"))
    tool = site / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
    done = subprocess.run(
        [blender.python, tool, "validate", blender.addon], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
