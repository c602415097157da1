"""A file with something of everything that a capture could disturb."""

import bpy
import scenes


def prepare() -> None:
    """Open it: solids, a selection, a mesh nobody uses, a compositor, strips, a second view layer."""
    scenes.solids()
    scenes.camera("perspective")
    for item in bpy.data.objects:
        item.select_set(item.name in ("Suzanne", "Cube"))
    bpy.context.view_layer.objects.active = bpy.data.objects["Suzanne"]
    bpy.data.meshes["Suzanne"].use_fake_user = True
    scene = bpy.context.scene
    scene.view_layers.new("Another").use_pass_normal = True
    scene["a property"] = 3
    tree = compositor()
    tree.nodes.new("CompositorNodeRLayers").layer = "Another"
    tree.nodes.new("CompositorNodeBlur")
    strips = scene.sequence_editor_create()
    (strips.strips if hasattr(strips, "strips") else strips.sequences).new_scene("Strip", scene, 1, 1)
    bpy.data.objects["Cone"].use_fake_user = True
    nested = bpy.data.collections.new("Nested")
    scene.collection.children.link(nested)
    nested.objects.link(bpy.data.objects["Cube"])
    bpy.context.view_layer.update()


def compositor() -> bpy.types.NodeTree:
    """Return the scene's node tree for compositing, which is made if need be."""
    scene = bpy.context.scene
    if not hasattr(scene, "compositing_node_group"):
        scene.use_nodes = True
        return scene.node_tree
    if scene.compositing_node_group is None:  # Blender 5
        scene.compositing_node_group = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
    return scene.compositing_node_group
