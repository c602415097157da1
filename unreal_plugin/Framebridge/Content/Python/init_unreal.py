"""Run by the engine when the editor starts. Whatever goes wrong here is told, and never stops the editor."""

import unreal

try:
    import framebridge_unreal

    framebridge_unreal.start()
except Exception as error:  # the editor's start-up comes first
    unreal.log_error(f"[Framebridge] did not start: {error}")
    unreal.log_error(
        "[Framebridge] Install the zip that `framebridge package unreal` writes; the editor works without it."
    )
