import io

import pytest
from rich.progress import Progress, TextColumn
from rich.table import Table

from bridge.cli import report
from bridge.cli.console import Console
from bridge.errors import Problem, WorkflowError

EVIL = "a\x1b]52;c;ZXZpbA==\x07\x9d0;b\x7f"
"""Sets the clipboard, and the window's title."""

HARMLESS = "a\ufffd]52;c;ZXZpbA=="


def commands_in(text: str) -> set[str]:
    return {char for char in text if char in "\x07\x7f\x9d"} | ({"\x1b]"} if "\x1b]" in text else set())


@pytest.mark.parametrize("options", [{}, {"style": "bold"}, {"soft_wrap": True}, {"markup": False}])
def test_texts_do_not_command_the_terminal_but_styles_do(options: dict[str, object]) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, highlight=False)
    console.print(EVIL, **options)  # type: ignore[arg-type]
    assert HARMLESS in file.getvalue()
    assert not commands_in(file.getvalue())
    assert ("\x1b[1m" in file.getvalue()) == ("style" in options)


def test_cells_and_progress_do_not_either() -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, highlight=False)
    table = Table(EVIL)
    table.add_row(EVIL)
    console.print(table)
    with Progress(TextColumn("{task.description}", markup=False), console=console) as progress:
        progress.add_task(EVIL)
    assert file.getvalue().count("a\ufffd]52;") >= 3
    assert not commands_in(file.getvalue())


def test_columns_are_as_wide_as_what_is_shown() -> None:
    file = io.StringIO()
    table = Table("name", "size", box=None)
    table.add_row("\x1b[31mred\x1b[0m\x07 model", "1 GB")
    table.add_row("chalk", "2 GB")
    Console(file=file, width=80, highlight=False, markup=False).print(table)
    _, evil, plain = file.getvalue().splitlines()
    assert evil.split("  ")[0].strip() == "\ufffd[31mred\ufffd[0m\ufffd model"
    assert evil.index("GB") == plain.index("GB")


def test_errors_do_not_either(capsys: pytest.CaptureFixture[str]) -> None:
    report(WorkflowError([Problem("bad_value", EVIL, EVIL, EVIL, EVIL)]))
    told = capsys.readouterr().err
    assert told.count(HARMLESS) == 4
    assert not commands_in(told)
