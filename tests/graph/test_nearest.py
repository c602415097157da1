from bridge.graph.nearest import Suggestions


def test_nearest_names_ignore_case_and_come_best_first():
    names = ["KSampler", "KSamplerAdvanced", "VAEDecode"]
    assert Suggestions().nearest("ksamplr", names, 2) == ["KSampler", "KSamplerAdvanced"]


def test_question_is_empty_where_nothing_is_near():
    assert Suggestions().did_you_mean("eulr", ["euler"]) == 'Did you mean "euler"?'
    assert Suggestions().did_you_mean("xyz", ["euler"]) == ""


def test_names_too_long_to_compare_have_no_neighbours():
    assert Suggestions().nearest("a" * 201, ["a" * 201]) == []


def test_budget_ends():
    suggestions = Suggestions(budget=2)
    assert [suggestions.nearest("a", ["a"]) for _ in range(3)] == [["a"], ["a"], []]


def test_files_are_compared_without_folder_and_suffix():
    files = ["sd/juggernautXL_v9.safetensors", "demo.safetensors", "old/demo.safetensors"]
    assert Suggestions().nearest_files("SD\\juggernautXL.ckpt", files) == ["sd/juggernautXL_v9.safetensors"]
    assert Suggestions().nearest_files("demo.pt", files) == ["demo.safetensors", "old/demo.safetensors"]
    assert Suggestions().nearest_files("demo.pt", files, 1) == ["demo.safetensors"]
