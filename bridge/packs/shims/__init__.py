"""The modules of ComfyUI that packs import, as far as they mean something here.

Each is written from what packs expect of it; nothing is taken from ComfyUI. What is not here does not exist
for a pack: importing it fails and names it, and the pack is reported.
"""
