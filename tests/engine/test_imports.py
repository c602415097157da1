import gc

import pytest

from bridge.engine import importing


def broken():
    with importing():
        assert not gc.isenabled()
        with importing():
            pass
        assert not gc.isenabled(), "still within the outer one"
        raise ImportError


def test_garbage_is_not_looked_for_meanwhile_and_is_afterwards_however_it_ends():
    assert gc.isenabled()
    with pytest.raises(ImportError):
        broken()
    assert gc.isenabled()
