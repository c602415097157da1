from pathlib import Path

import numpy as np
import pytest

import bridge
from training.prompts import Prompter
from training.styles import STYLES, SYNONYMS, Look

TOKENIZER = Path(bridge.__file__).parent / "builtin" / "demo-sd" / "tokenizer"


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter(TOKENIZER)


def test_every_prompt_names_its_look(prompter):
    rng = np.random.default_rng(0)
    for style in STYLES:
        look = Look(style, mood="night", colour="red", material="wood")
        for _ in range(20):
            prompt = prompter.write(look, rng)
            for word in (style, "night", "red", "wood"):
                assert any(synonym in prompt for synonym in SYNONYMS[word]), prompt


def test_unknown_prompts_hold_no_known_word(prompter):
    rng = np.random.default_rng(0)
    prompts = [prompter.write_unknown(rng) for _ in range(200)]
    assert "" in prompts
    known = {synonym for synonyms in SYNONYMS.values() for synonym in synonyms}
    assert not known & {word for prompt in prompts for word in prompt.replace(",", " ").split()}


def test_tokens_are_those_of_clip(prompter):
    tokens = prompter.tokens(["a photo of a cat"])
    assert tokens.shape == (1, 77)
    assert tokens[0, :7].tolist() == [49406, 320, 1125, 539, 320, 2368, 49407]
