from pathlib import Path

import numpy as np

import bridge
from training.bank import PROMPTS, Bank, build_bank, sample_noise
from training.gbuffer import View
from training.prompts import load_tokenizer
from training.styles import STYLES, SYNONYMS, stylise

TOKENIZER = Path(bridge.__file__).parent / "builtin" / "demo-sd" / "tokenizer"


def write_shard(folder, view, count=3):
    folder.mkdir(parents=True)
    for name in ("color", "albedo", "normal", "object_id", "depth"):
        np.save(folder / f"{name}.npy", np.stack([getattr(view, name)] * count))


def draw(folder: Path, view: View, samples: int = 2, targets: int = len(STYLES)) -> Bank:
    if not (folder / "scenes").exists():
        write_shard(folder / "scenes" / "scenes-0001", view)
    numbers = {"samples": samples, "size": 64, "targets": targets, "seed": 5, "workers": 1}
    build_bank(folder / "scenes", folder / "bank", TOKENIZER, **numbers)
    return Bank.open(folder / "bank")


def test_noise_of_a_sample_is_always_the_same_and_its_own():
    first = sample_noise(1, 2, 3, 64)
    assert first.shape == (4, 16, 16)
    assert np.array_equal(first, sample_noise(1, 2, 3, 64))
    assert not np.array_equal(first, sample_noise(1, 2, 0, 64))


def test_bank_holds_every_style_and_the_noise_its_targets_were_drawn_from(tmp_path, view):
    bank = draw(tmp_path, view)
    assert len(bank) == 2
    assert bank.size == 64
    assert {look.style for look in bank.looks[0]} == set(STYLES)
    for k in (0, 4):
        assert np.array_equal(bank.noise[1, k], sample_noise(5, 1, k, 64).astype(np.float16))
        drawn = [
            stylise(shown, bank.looks[1][k], bank.noise[1, k].astype(np.float32))
            for shown in (view, view.mirrored())
        ]
        assert any(np.array_equal(bank.target[1, k], picture) for picture in drawn)
    check_tokens(bank)


def check_tokens(bank: Bank) -> None:
    tokenizer = load_tokenizer(TOKENIZER)
    assert bank.tokens.shape == (2, len(STYLES), PROMPTS, 77)
    for k, look in enumerate(bank.looks[0]):
        for tokens in bank.tokens[0, k]:
            prompt = tokenizer.decode(tokens, skip_special_tokens=True)
            words = [word.replace("-", " - ") for word in SYNONYMS[look.style]]
            assert any(word in prompt or word.replace(" - ", "-") in prompt for word in words), prompt


def test_an_interrupted_bank_is_drawn_again(tmp_path, view):
    (tmp_path / "bank.part").mkdir()
    (tmp_path / "bank.part" / "color.npy").write_text("half a file")
    assert len(draw(tmp_path, view, samples=1, targets=1)) == 1


def test_views_too_small_for_a_crop_are_left_out(tmp_path, view):
    write_shard(tmp_path / "scenes" / "scenes-0001", view)
    write_shard(tmp_path / "scenes" / "scenes-0002", view.cropped((slice(0, 40), slice(None))))
    assert len(draw(tmp_path, view, samples=8, targets=1)) == 8
