"""Daemons that are ill-treated. Small in CI; at full size with ``--full-drills``."""

import pytest


@pytest.fixture
def is_full(request: pytest.FixtureRequest) -> bool:
    """Whether to drill at full size."""
    return bool(request.config.getoption("--full-drills"))
