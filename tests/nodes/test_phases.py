from bridge import nodes
from bridge.engine.phases import phase_of


def test_the_nodes_of_an_everyday_workflow_are_told_apart():
    registry = nodes.load({"device": "cpu"}).registry
    phases = {
        "CheckpointLoaderSimple": "load",
        "LoraLoader": "load",
        "ControlNetLoader": "load",
        "CLIPTextEncode": "encode",
        "VAEEncode": "encode",
        "KSampler": "sample",
        "SamplerCustomAdvanced": "sample",
        "VAEDecode": "decode",
        "VAEDecodeTiled": "decode",
        "SaveImage": "save",
        "PreviewImage": "save",
        "SendToHost": "save",
        "LoadImage": "other",
        "EmptyLatentImage": "other",
    }
    assert {name: phase_of(registry[name].definition) for name in phases} == phases
