from bridge.prompts import negative_presets


def test_every_negative_preset_says_what_it_is_for() -> None:
    presets = negative_presets()
    assert len({(entry["family"], entry["title"]) for entry in presets}) == len(presets)
    for entry in presets:
        assert set(entry) == {"title", "family", "text", "help"}
        assert entry["title"]
        assert entry["help"].endswith(".")
        assert entry["text"] == ", ".join(dict.fromkeys(entry["text"].split(", ")))
