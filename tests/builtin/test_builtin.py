import hashlib
import json

import numpy as np
from transformers import CLIPTokenizer

from bridge.builtin import demo_frame_file, load_preset, model_folder, model_words
from bridge.imaging import ControlOptions, load_frame, make_controls, open_frame
from bridge.models import Catalogue


def test_the_demo_model_is_found_under_its_names():
    catalogue = Catalogue((), model_folder())
    assert catalogue.names("checkpoints") == ["framebridge-demo"]
    for folder, name in (("checkpoints", "framebridge-demo"), ("controlnet", "framebridge-demo-depth")):
        assert catalogue.find(folder, name).is_dir()


def test_the_vocabulary_is_whole():
    folder = model_folder() / "tokenizer"
    vocabulary = json.loads((folder / "vocab.json").read_text("utf-8"))
    merges = (folder / "merges.txt").read_text("utf-8").splitlines()
    assert len(vocabulary) == 49_408
    assert sorted(vocabulary.values()) == list(range(49_408))
    assert len(merges) == 1 + 48_894
    assert all("".join(pair.split()) in vocabulary for pair in merges[1:])


def test_the_demo_frame_can_be_seen():
    capture = open_frame(load_frame(demo_frame_file()))
    controls = make_controls(capture, ControlOptions(lines="geometry"))
    assert controls.canny.any()
    assert np.isfinite(capture.depth).any()


def test_the_vocabulary_gives_clips_token_ids():
    tokenizer = CLIPTokenizer.from_pretrained(model_folder() / "tokenizer", local_files_only=True)
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("A  Photo, of a CAT").input_ids == [49406, 320, 1125, 267, 539, 320, 2368, 49407]
    assert (tokenizer.pad_token_id, tokenizer.model_max_length) == (49407, 77)


def test_every_file_of_the_demo_model_is_the_one_in_its_manifest():
    folder = model_folder()
    hashes = json.loads((folder / "manifest.json").read_text("utf-8"))
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    del files["manifest.json"]
    assert {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()} == hashes


def test_a_panel_offers_the_words_that_the_demo_model_knows():
    prompt = next(control for control in load_preset("stylize").controls if control.name == "prompt")
    known = [word for words in model_words().values() for word in words]
    assert list(prompt.choices) == known
    assert len(model_words()["styles"]) >= 10
    assert len(model_words()["colours"]) >= 12
