import os
import signal

import pytest

from training.errors import TrainingError
from training.processes import divided


def count_up(offset: int, numbers: range) -> tuple[int, list[int]]:
    return os.getpid(), [offset + n for n in numbers]


@pytest.mark.parametrize("workers", [1, 2])
def test_work_is_divided_without_gaps_and_stays_in_order(workers):
    parts = divided(count_up, 7, workers, 100)
    assert len(parts) == workers
    assert [n for _, part in parts for n in part] == list(range(100, 107))


def test_one_worker_works_here():
    assert divided(count_up, 3, 1, 0)[0][0] == os.getpid()
    assert all(pid != os.getpid() for pid, _ in divided(count_up, 3, 2, 0))


def die(numbers: range) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_an_error_and_not_a_wait_for_ever():
    with pytest.raises(TrainingError, match="was killed") as caught:
        divided(die, 2, 2)
    assert "--workers" in caught.value.hint
