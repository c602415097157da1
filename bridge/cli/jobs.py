"""``framebridge queue`` and ``framebridge history``: what they take. What they do lies in ``job_list``."""

from collections.abc import Callable
from typing import Annotated

import typer

from bridge.cli.options import AsJson

Jobs = Annotated[
    list[str] | None,
    typer.Argument(metavar="JOB", help="As they are listed; the first four letters will do."),
]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def queue_app(run: Callable[..., None]) -> typer.Typer:
    """Return the commands about jobs that have not ended.

    Args:
        run: Runs a function of a module beside this one, given both names and its arguments.
    """
    app = _app("See what runs and what waits, and cancel it.")

    @app.callback(invoke_without_command=True)
    def root(context: typer.Context, as_json: AsJson = False) -> None:
        """List the jobs that run or wait, of all clients."""
        if context.invoked_subcommand is None:
            run("job_list", "list_queue", as_json)

    @app.command()
    def cancel(jobs: Jobs = None, everything: All = False) -> None:
        """Cancel jobs."""
        run("job_list", "cancel", jobs or [], everything)

    return app


def history_app(run: Callable[..., None]) -> typer.Typer:
    """Return the commands about jobs that have ended.

    Args:
        run: Runs a function of a module beside this one, given both names and its arguments.
    """
    app = _app("See what has ended, and forget it.")

    @app.callback(invoke_without_command=True)
    def root(
        context: typer.Context,
        limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 20,
        as_json: AsJson = False,
    ) -> None:
        """List the jobs that have ended, of all clients."""
        if context.invoked_subcommand is None:
            run("job_list", "list_history", limit, as_json)

    @app.command()
    def forget(jobs: Jobs = None, everything: All = False) -> None:
        """Forget jobs and the results that were kept for their clients; files in the output folder stay."""
        run("job_list", "forget", jobs or [], everything)

    return app


def _app(help_text: str) -> typer.Typer:
    return typer.Typer(help=help_text, context_settings={"help_option_names": ["-h", "--help"]})
