"""Ctrl Z and Ctrl Shift Z: what a result brought goes and comes back with it."""

from .window import Window

SET_UP = """
from framebridge import display
from framebridge.studio import studio
settings = lambda: bpy.context.scene.framebridge  # looked up each time: undo replaces it
names = lambda: [image.name for image in display.results()]
behind = lambda: [entry.image.name for entry in bpy.context.scene.camera.data.background_images]
settings().longest_side, settings().to_camera = 128, True
bpy.ops.framebridge.connect()
"""


def test_result_before_lies_behind_the_camera_again(connected_window: Window):
    window = connected_window
    window.run(SET_UP)
    window.wait("studio().link.is_ready", 60)
    for count in (1, 2):
        window.run("bpy.ops.framebridge.generate('INVOKE_DEFAULT') and None")
        window.wait("len(names()) == count and not studio().is_generating", 120, count=count)
    assert window.run("behind()") == ["Framebridge 002"]
    window.point(*window.region("WINDOW").middle)
    for keys, name in (("ctrl+z", "Framebridge 001"), ("ctrl+shift+z", "Framebridge 002")):
        window.screen.press(keys)
        window.wait("names()[0] == name", name=name)
        assert window.run("behind()") == [name]
