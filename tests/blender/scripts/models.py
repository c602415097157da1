"""The panel of models: lists, a model by pasting an address, its words, its preview, what a preset lacks."""

import bpy
import framebridge
import scenes
from framebridge import controls, model_panel
from framebridge.studio import studio
from harness import REQUEST, report

OPS = bpy.ops.framebridge
URL = REQUEST["url"]


def shelf():
    return studio().shelf


def state():
    return bpy.context.window_manager.framebridge_models


def wait(condition) -> None:
    studio().wait(lambda: condition() or shelf().problem is not None, 200)
    assert shelf().problem is None, shelf().problem
    model_panel.follow()


def listed() -> list[str]:
    """Connect and see what is there, as a panel that is drawn does."""
    OPS.connect()
    shelf().is_looked_at = True
    wait(lambda: shelf().cards)
    return [item.name for item in state().names]


def pulled() -> dict:
    state().kind = "loras"
    wait(lambda: shelf().kind == "loras" and shelf().cards)
    before = [item.name for item in state().names]
    state().source = URL
    OPS.plan_pull()
    plan = dict(shelf().plan.lines)
    OPS.agree_to_pull()
    wait(lambda: len(shelf().cards) > len(before))
    return {
        "before": before,
        "plan": plan,
        "after": [item.name for item in state().names],
        "problem": str(shelf().problem),
        "source": state().source,
    }


def looked_at() -> dict:
    names = [item.name for item in state().names]
    state().index = names.index(REQUEST["name"])
    wait(lambda: shelf().thumbnail)
    card = shelf().card
    settings = bpy.context.scene.framebridge
    preset = controls.preset_of(settings)
    controls.values_of(settings, preset).p_prompt = "neon"
    OPS.add_word(word=card.triggers[0])
    return {
        "lines": dict(card.lines),
        "triggers": list(card.triggers),
        "picture": list(model_panel._previews["model"].image_size),
        "index": state().index,
        "prompt": controls.values_of(settings, preset).p_prompt,
    }


def refused() -> dict:
    found = {}
    for name, url in REQUEST["refused"].items():
        try:
            OPS.plan_pull(source=url)
            found[name] = "nothing was raised"
        except RuntimeError:
            found[name] = [shelf().problem.code, bool(shelf().problem.hint)]
        OPS.decline_pull()
    return found


def lacking() -> dict:
    OPS.choose_preset(preset="stylize-sd15")
    OPS.find_lacking()
    wait(lambda: shelf().lacking)
    return {model.name: model.source for model in shelf().lacking}


def reloaded() -> dict:
    scenes.clear()
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    model_panel.follow()
    return {"names": len(state().names), "cards": len(shelf().cards)}


framebridge.register()
if hasattr(bpy.app, "online_access"):  # Blender 4.2 and later
    bpy.context.preferences.system.use_online_access = True
report(listed, pulled, looked_at, refused, lacking, reloaded)
