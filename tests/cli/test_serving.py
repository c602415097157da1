from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bridge.cli import EXIT_USAGE
from bridge.cli.serving import add_daemon_commands


@pytest.mark.parametrize("option", ["--idle-minutes", "--hang-minutes", "--history-days", "--history-gb"])
@pytest.mark.parametrize("value", ["inf", "nan", "1e300", "-1"])
def test_a_measure_that_is_none_is_wrong_usage(option: str, value: str) -> None:
    app, runs = typer.Typer(), list[Any]()
    add_daemon_commands(app, lambda *call: runs.append(call))
    assert CliRunner().invoke(app, ["serve", option, value]).exit_code == EXIT_USAGE
    assert CliRunner().invoke(app, ["serve", option, "1.5"]).exit_code == 0
    assert len(runs) == 1
