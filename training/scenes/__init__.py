"""Random Blender scenes and their G-buffers. Runs inside a bpy Python: numpy and bpy, nothing else."""
