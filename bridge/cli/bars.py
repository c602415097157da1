"""Bars that show how many steps are done."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bridge.cli.console import Console


def step_progress(console: Console) -> Progress:
    """Return bars that count steps, and go when they end."""
    title = TextColumn("{task.description}", markup=False)
    columns = title, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=console, transient=True)
