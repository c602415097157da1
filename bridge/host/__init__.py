"""What both hosts do alike: presets, recipes, tasks, the live stream, Diagnose, and what is said of them.

Standard library only, besides the client; vendored into the add-ons; runs on the host's main thread.
"""
