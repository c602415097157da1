import numpy as np

from training.bank import Bank, build_bank, sample_noise
from training.styles import STYLES, stylise


def write_shard(folder, view, count=3):
    folder.mkdir(parents=True)
    for name in ("color", "albedo", "normal", "object_id", "depth"):
        np.save(folder / f"{name}.npy", np.stack([getattr(view, name)] * count))


def test_noise_of_a_sample_is_always_the_same_and_its_own():
    first = sample_noise(1, 2, 3, 64)
    assert first.shape == (4, 16, 16)
    assert np.array_equal(first, sample_noise(1, 2, 3, 64))
    assert not np.array_equal(first, sample_noise(1, 2, 0, 64))


def test_bank_holds_every_style_and_the_noise_its_targets_were_drawn_from(tmp_path, view):
    write_shard(tmp_path / "scenes" / "scenes-0001", view)
    out = tmp_path / "bank"
    build_bank(tmp_path / "scenes", out, samples=2, size=64, targets=len(STYLES), seed=5, workers=1)
    bank = Bank.open(out)
    assert len(bank) == 2
    assert bank.size == 64
    assert {look.style for look in bank.looks[0]} == set(STYLES)
    for k in (0, 4):
        drawn = stylise(view, bank.looks[1][k], sample_noise(5, 1, k, 64))
        assert np.array_equal(bank.target[1, k], drawn)


def test_an_interrupted_bank_is_drawn_again(tmp_path, view):
    write_shard(tmp_path / "scenes" / "scenes-0001", view)
    out = tmp_path / "bank"
    out.with_name("bank.part").mkdir()
    build_bank(tmp_path / "scenes", out, samples=1, size=64, targets=1, seed=5, workers=1)
    assert out.is_dir()
    assert not out.with_name("bank.part").exists()
